"""Roll-outs of `cray-ims`: whether now is a good time, and what came of it."""
