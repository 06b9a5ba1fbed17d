"""
Moves bytes: sources, sinks, proofs and the loop between them. Knows nothing of Airflow or of what is moved.

Import from the modules; importing this package or ``protocols``, ``plan``, ``errors``, ``checksum`` loads no library.
"""
