/* SPDX-License-Identifier: MIT */
/*
 * rlimit.h - what the kernel grants the daemon, and to whom it shows it
 */
#pragma once

/*
 * Room for clients and twins; and our memory, which keys pass through, is for
 * no core file and no debugger but root's.  (An unprivileged daemon would lose
 * its own /proc/self with that, and guards nothing from its user.)
 */
void rlimit_set(void);
