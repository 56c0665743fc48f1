# The lab's networks, piece by piece: bash functions for scripts in the host VM.
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash

topology_none() { :; }
