"""What a cluster gets beside its drivers."""
