/* SPDX-License-Identifier: MIT */
/*
 * device_address.h - where a test can listen for RDMA on this host
 */
#pragma once

#include <arpa/inet.h>
#include <stdbool.h>

/*
 * Find an IPv4 address that an RDMA device has and that is of this network
 * namespace; false: there is none.
 */
bool device_address(char text[INET_ADDRSTRLEN]);
