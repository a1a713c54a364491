"""Files of others and of our own: meshes, arrays, XML; readers of untrusted input."""
