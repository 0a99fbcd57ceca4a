"""What providers post to us, put into our words. Pure."""
