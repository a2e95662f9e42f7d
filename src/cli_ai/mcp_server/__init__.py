"""Offers the tools to other programs' models over the Model Context Protocol: stdio, or HTTP on loopback."""
