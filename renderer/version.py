"""The version of kmodgate, stated once: the package, `kmodgate --version` and the reports take it from here."""

__version__ = "0.1.0"
