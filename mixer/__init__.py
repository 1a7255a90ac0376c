"""What is decided and written: documents, sidecars, recipes, plans, mixtures, manifests. No Spark."""

# Where sidecars, clusters and plans lie when nothing else is said.
DEFAULT_WORK = ".solera"
