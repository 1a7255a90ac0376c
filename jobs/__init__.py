"""What is distributed, and the command line: the only importer of pyspark."""
