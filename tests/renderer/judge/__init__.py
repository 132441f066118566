"""Tests of `kmodgate.renderer.judge`."""
