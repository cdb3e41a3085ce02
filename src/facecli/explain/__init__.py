"""What in a face drove each head: heat maps of the Keras model, and checks that they mean something."""
