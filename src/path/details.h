/* SPDX-License-Identifier: GPL-2.0-only */
/* details.h: single packets: which of them are wanted, and how their stages are printed. */
#ifndef NETSONDE_PATH_DETAILS_H
#define NETSONDE_PATH_DETAILS_H

#include "path/path.h"

/** Option rows of details, and those of all path tools. */
extern const struct option_row details_option_rows[];

int details_configure(struct run *run);

#endif
