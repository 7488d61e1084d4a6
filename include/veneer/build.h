/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts of this build, generated: the version string, and Kconfig's symbols (autoconf.h is force-included). */
#ifndef VENEER_BUILD_H
#define VENEER_BUILD_H

extern const char veneer_version[];

#endif
