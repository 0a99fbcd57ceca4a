"""Starts what Swiftex consists of on one machine: embedded services and the processes of the Procfile."""
