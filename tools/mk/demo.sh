#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts the chat server where `make demo` promises it, and says how to join.
# usage: demo.sh BUILD
cat <<END

The chat server starts below.  Join from other terminals, as often as you like, with

    nc 127.0.0.1 7777                                  (type a name, then talk)
or  $1/examples/chat_client 127.0.0.1:7777 NAME

/who lists who is there, /msg NAME text whispers, /quit leaves.  Ctrl-C here ends the server.

END
exec "$1/examples/chat_server" --host 127.0.0.1 --port 7777
