"""What a scripted operator does in each scene."""
