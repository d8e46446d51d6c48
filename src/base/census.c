/* SPDX-License-Identifier: MIT */
/* census.c - see census.h. */
#include "census.h"

_Atomic uint64_t weft__census_left;
