"""The services of API v3, one module for each group; ``api`` imports all of them, which registers their actions."""
