/* SPDX-License-Identifier: MIT */
/*
 * far_net.h - let a far end live in another network namespace than the test
 *
 * It is named by the environment's FAR_NET, such as /run/netns/A; without it
 * all is in one namespace.  What a thread makes in there stays in there:
 * sockets, and what the RDMA connection manager listens on.
 */
#pragma once

/*
 * Take the calling thread there.  Returns what far_net_leave() needs to bring
 * it back; -1 where there is no FAR_NET.  Ends the program when it cannot.
 */
int far_net_enter(void);
void far_net_leave(int home);
