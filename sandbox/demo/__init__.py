"""`python -m sandbox.demo`: sends the sample leads to a running Swiftex as a partner would, and follows each."""
