#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make_captures_dir.sh PROGRAM DIR: a fresh folder of captures.
set -e
rm -rf "$2"
mkdir -p "$2"
exec "$1" "$2"
