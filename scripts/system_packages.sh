#!/bin/sh
# The tests of SFTP need OpenSSH's server, which no package index of Python has: install it where we may, else say how.
set -eu

PATH="$PATH:/usr/sbin:/usr/local/sbin:/sbin"
if command -v sshd >/dev/null 2>&1; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server
  exit 0
fi
echo "The tests of SFTP need sshd. Install it, for example: sudo apt-get install openssh-server" >&2
