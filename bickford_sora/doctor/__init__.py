"""What is wrong with an installation, and what to do about it. Looks at everything, and puts nothing right."""
