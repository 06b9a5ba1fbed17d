"""Move media out of Kaltura with Apache Airflow. Nothing of ours is imported here: Airflow may load this early."""

__version__ = "0.1.0"
