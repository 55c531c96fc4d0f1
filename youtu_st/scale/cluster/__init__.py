"""On Ray: workers, batches and replicas."""
