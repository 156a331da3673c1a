/* SPDX-License-Identifier: MIT */
/* phase.c - see phase.h */
#include "common/phase.h"

static const struct {
	const char *key, *name;
} phases[PHASES] = {
	[PHASE_BEGUN] = {"begun", "init cloned"},
	[PHASE_WORLD] = {"world", "namespaces and guard made"},
	[PHASE_READ] = {"read", "descriptor read"},
	[PHASE_CHECKED] = {"checked", "host checked"},
	[PHASE_PLANNED] = {"planned", "child planned"},
	[PHASE_GO] = {"go", "init told to go on"},
	[PHASE_CHILD] = {"child", "child's first instruction"},
	[PHASE_FILES] = {"files", "child's descriptors made"},
	[PHASE_RUNNING] = {"running", "child has become the image"},
};

const char *phase_name(enum phase phase)
{
	return phases[phase].name;
}

const char *phase_key(enum phase phase)
{
	return phases[phase].key;
}
