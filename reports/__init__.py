"""Reports: charts, tables, one HTML file, and runs in MLflow."""
