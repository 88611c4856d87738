"""What both ends of the wire share: the job's description, messages, channels and errors."""
