"""The experts of an inspection; each is a plain object with one public method and works alone."""
