"""Running the notebooks, the report, and the studies and figures that they share."""
