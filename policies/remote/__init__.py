"""Policies behind a socket, in openpi's websocket protocol.

The server sends its metadata once; then the client sends an observation and receives a chunk of actions, over
and over. Every message is one msgpack map in a binary frame (`wire`); a text frame is an error. The protocol
keeps no state: an answer depends on the observation alone, and on the noise of a sampling head.
"""
