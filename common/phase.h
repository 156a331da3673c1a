/* SPDX-License-Identifier: MIT */
/*
 * phase.h - the phases of a load, in the order in which they are told
 */
#pragma once

enum phase {
	PHASE_BEGUN,   /* init has been cloned */
	PHASE_WORLD,   /* its namespaces are made, and the guard */
	PHASE_READ,    /* the image's descriptor is decoded */
	PHASE_CHECKED, /* this host can run it */
	PHASE_PLANNED,
	PHASE_GO,    /* init was told to clone the child */
	PHASE_CHILD, /* the child's first instruction */
	PHASE_FILES, /* its descriptors are there */
	PHASE_RUNNING,
	PHASES,
};

/* For people: "init cloned". */
const char *phase_name(enum phase phase);

/* For programs: "begun". */
const char *phase_key(enum phase phase);
