"""The command ``mi-ray``: one module for each of its words, each with ``main(argv)``."""
