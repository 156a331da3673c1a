/* SPDX-License-Identifier: MIT */
#include "tools/late.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "common/say.h"

#define EXIT_SYSTEM 2

void late_resolve(struct late_call *call)
{
	void *library = dlopen(call->library, RTLD_NOW | RTLD_LOCAL);
	void *function = library ? dlsym(library, call->name) : NULL;

	if (!function) {
		say_error("%s: is it installed?", dlerror());
		_Exit(EXIT_SYSTEM);
	}
	__atomic_store_n(&call->function, function, __ATOMIC_RELEASE);
}
