"""A package, not only a folder: some wheels install a package ``tests`` too, which would come before a folder."""
