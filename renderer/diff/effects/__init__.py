"""What a change does, and the sentence for each."""
