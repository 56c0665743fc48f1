/* SPDX-License-Identifier: GPL-2.0-only */
/* version.h: the version that --version and the start record print. */
#ifndef NETSONDE_CORE_VERSION_H
#define NETSONDE_CORE_VERSION_H

#define NETSONDE_VERSION "0.1.0"

#endif
