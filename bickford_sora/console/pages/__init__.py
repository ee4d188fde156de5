"""The pages, one module each: what is asked, the model that is shown, and where it is read."""
