"""Pictures: RecordIO files and folders of them, decoded and augmented into batches by threads that work ahead."""
