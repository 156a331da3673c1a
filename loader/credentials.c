/* SPDX-License-Identifier: MIT */
/*
 * credentials.c - capabilities(7) says in which order they can be given up
 */
#include "loader/credentials.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

#define CAPS_MAX 64

/* For everybody.  0xf00: SECBIT_EXEC_* and their locks, since kernel 6.14. */
#define FREE_BITS (0xf00u | SECBIT_KEEP_CAPS)
#define LOCKS	  0xaaau /* each of the bit below it */

struct capset {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2];
};

static int read_groups(struct credentials *ret)
{
	CLEANUP_FREE uint32_t *groups = NULL;
	int nr = getgroups(0, NULL);

	if (nr < 0)
		return -errno;
	groups = calloc((size_t)nr + 1, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	nr = getgroups(nr, groups);
	if (nr < 0)
		return -errno;
	ret->groups = steal_ptr(&groups);
	ret->nr_groups = (uint32_t)nr;
	return 0;
}

/* "CapEff:\t000001ffffffffff" in the text of /proc/PID/status. */
static bool find_caps(const char *status, const char *key, uint64_t *ret)
{
	const char *line = strstr(status, key);
	char *end;

	if (!line)
		return false;
	errno = 0;
	*ret = strtoull(line + strlen(key), &end, 16);
	return errno == 0 && *end == '\n';
}

void credentials_of_image(const struct image *image, struct credentials *ret)
{
	const struct image_text *text = image_text(image, "status");
	CLEANUP_FREE char *status = NULL;

	memset(ret, 0, sizeof(*ret));
	ret->securebits = image->securebits;
	memcpy(ret->uid, image->uid, sizeof(ret->uid));
	memcpy(ret->gid, image->gid, sizeof(ret->gid));
	ret->groups = image->groups;
	ret->nr_groups = image->nr_groups;
	if (!text)
		return;
	status = strndup((const char *)text->bytes, text->len_bytes);
	ret->caps_known = status &&
			  find_caps(status, "\nCapInh:\t", &ret->inheritable) &&
			  find_caps(status, "\nCapPrm:\t", &ret->permitted) &&
			  find_caps(status, "\nCapEff:\t", &ret->effective) &&
			  find_caps(status, "\nCapBnd:\t", &ret->bounding) &&
			  find_caps(status, "\nCapAmb:\t", &ret->ambient);
}

/* What @wanted has need not be dropped, and is taken for had. */
static void read_capabilities(const struct credentials *wanted,
			      struct credentials *ret)
{
	struct capset set = {.header.version = _LINUX_CAPABILITY_VERSION_3};

	if (syscall(SYS_capget, &set.header, set.data) < 0)
		return;
	ret->inheritable = set.data[0].inheritable |
			   (uint64_t)set.data[1].inheritable << 32;
	ret->permitted = set.data[0].permitted | (uint64_t)set.data[1].permitted
							 << 32;
	ret->effective = set.data[0].effective | (uint64_t)set.data[1].effective
							 << 32;
	for (int cap = 0; cap < CAPS_MAX; cap++) {
		int bound = wanted->bounding >> cap & 1
				    ? 1
				    : prctl(PR_CAPBSET_READ, cap);

		if (bound < 0)
			break; /* past the kernel's last */
		ret->bounding |= (uint64_t)bound << cap;
		/* Only what is permitted and inheritable can be ambient. */
		if ((ret->inheritable & ret->permitted) >> cap & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) ==
			    1)
			ret->ambient |= UINT64_C(1) << cap;
	}
	ret->caps_known = true;
}

int credentials_read(const struct image *image, struct credentials *ret)
{
	struct credentials wanted;
	struct credentials own = {0};
	int error = read_groups(&own), securebits;

	if (error)
		return error;
	if (getresuid(&own.uid[0], &own.uid[1], &own.uid[2]) < 0 ||
	    getresgid(&own.gid[0], &own.gid[1], &own.gid[2]) < 0) {
		free((void *)own.groups);
		return -errno;
	}
	own.uid[3] = own.uid[1];
	own.gid[3] = own.gid[1];
	securebits = prctl(PR_GET_SECUREBITS);
	own.securebits = securebits < 0 ? 0 : (uint32_t)securebits;
	credentials_of_image(image, &wanted);
	read_capabilities(&wanted, &own);
	*ret = own;
	return 0;
}

static bool same_ids(const struct credentials *a, const struct credentials *b)
{
	return !memcmp(a->uid, b->uid, sizeof(a->uid)) &&
	       !memcmp(a->gid, b->gid, sizeof(a->gid));
}

static bool same_groups(const struct credentials *a,
			const struct credentials *b)
{
	return a->nr_groups == b->nr_groups &&
	       (!a->nr_groups || !memcmp(a->groups, b->groups,
					 a->nr_groups * sizeof(*a->groups)));
}

static bool has_capability(const struct credentials *own, int cap)
{
	return own->caps_known && own->effective >> cap & 1;
}

/*
 * Those of @wanted.  What is locked stays as it is here; so does what is set
 * and cannot be cleared, which gives the child no more than the image has.
 */
static uint32_t securebits_to_be(const struct credentials *wanted,
				 const struct credentials *own)
{
	const uint32_t locks = own->securebits & LOCKS;
	uint32_t stay = locks | locks >> 1;

	if (!has_capability(own, CAP_SETPCAP))
		stay |= own->securebits & ~FREE_BITS;
	return (wanted->securebits & ~stay) | (own->securebits & stay);
}

static int check_securebits(const struct credentials *wanted,
			    const struct credentials *own, struct why *why)
{
	const uint32_t change = own->securebits ^ securebits_to_be(wanted, own);

	if (!(change & ~FREE_BITS) || has_capability(own, CAP_SETPCAP))
		return 0;
	return why_set(why, -EPERM,
		       "the image has securebits %#x (capabilities(7)), and to "
		       "set them takes CAP_SETPCAP: load it as root",
		       wanted->securebits);
}

int credentials_check(const struct image *image, const struct credentials *own,
		      struct why *why)
{
	struct credentials wanted;

	credentials_of_image(image, &wanted);
	if (own->uid[1] == 0 || same_ids(own, &wanted))
		return check_securebits(&wanted, own, why);
	return why_set(why, -EPERM,
		       "the image belongs to uid %u, gid %u: load it as that "
		       "user or as root",
		       image->uid[1], image->gid[1]);
}

static void plan_bounding(struct steps *steps, const struct credentials *wanted,
			  const struct credentials *own)
{
	for (uint64_t cap = 0; cap < CAPS_MAX; cap++)
		if ((own->bounding & ~wanted->bounding) >> cap & 1)
			steps_call(steps, SYS_prctl, PR_CAPBSET_DROP, cap);
}

static void plan_capset(struct steps *steps, uint64_t permitted,
			uint64_t effective, uint64_t inheritable)
{
	struct capset set = {
		.header.version = _LINUX_CAPABILITY_VERSION_3,
		.data = {{(uint32_t)effective, (uint32_t)permitted,
			  (uint32_t)inheritable},
			 {(uint32_t)(effective >> 32),
			  (uint32_t)(permitted >> 32),
			  (uint32_t)(inheritable >> 32)}},
	};
	uint64_t header = steps_data(steps, &set.header, sizeof(set.header));
	uint64_t data = steps_data(steps, set.data, sizeof(set.data));

	steps_call(steps, SYS_capset, header, data);
}

/* From @now to @wanted.  The bit that everybody may set comes first. */
static void plan_securebits(struct steps *steps, uint32_t now, uint32_t wanted)
{
	if ((now ^ wanted) & SECBIT_KEEP_CAPS)
		steps_call(steps, SYS_prctl, PR_SET_KEEPCAPS,
			   !!(wanted & SECBIT_KEEP_CAPS));
	if ((now ^ wanted) & ~SECBIT_KEEP_CAPS)
		steps_call(steps, SYS_prctl, PR_SET_SECUREBITS, wanted);
}

/*
 * Another user has nothing effective at first.  Ambient capabilities cannot be
 * raised any more with some securebits, and those take a capability that may
 * have to go.
 */
static void plan_caps(struct steps *steps, const struct credentials *wanted,
		      const struct credentials *own)
{
	uint64_t permitted = wanted->permitted & own->permitted;
	uint64_t inheritable =
		wanted->inheritable & (own->inheritable | own->permitted);
	uint64_t ambient = wanted->ambient & permitted & inheritable;

	plan_capset(steps, own->permitted, own->permitted, inheritable);
	for (uint64_t cap = 0; cap < CAPS_MAX; cap++)
		if (ambient >> cap & 1)
			steps_call(steps, SYS_prctl, PR_CAP_AMBIENT,
				   PR_CAP_AMBIENT_RAISE, cap);
	plan_securebits(steps, own->securebits | SECBIT_KEEP_CAPS,
			securebits_to_be(wanted, own));
	plan_capset(steps, permitted, wanted->effective & permitted,
		    inheritable);
}

static void plan_ids(struct steps *steps, const struct credentials *wanted)
{
	const uint32_t *uid = wanted->uid, *gid = wanted->gid;
	uint64_t groups = steps_data(steps, wanted->groups,
				     wanted->nr_groups * sizeof(uint32_t));

	steps_call(steps, SYS_setgroups, wanted->nr_groups, groups);
	steps_call(steps, SYS_setresgid, gid[0], gid[1], gid[2]);
	steps_call(steps, SYS_setresuid, uid[0], uid[1], uid[2]);
	if (gid[3] != gid[1])
		steps_try(steps, SYS_setfsgid, gid[3]);
	if (uid[3] != uid[1])
		steps_try(steps, SYS_setfsuid, uid[3]);
}

static bool same_caps(const struct credentials *a, const struct credentials *b)
{
	return a->permitted == b->permitted && a->effective == b->effective &&
	       a->inheritable == b->inheritable && a->bounding == b->bounding &&
	       a->ambient == b->ambient;
}

void credentials_plan(struct steps *steps, const struct image *image,
		      const struct credentials *own)
{
	struct credentials wanted;
	uint32_t securebits;
	bool ids, caps;

	steps_about(steps, STEPS_CREDENTIALS, 0);
	if (image->no_new_privs)
		steps_call(steps, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
	credentials_of_image(image, &wanted);
	securebits = securebits_to_be(&wanted, own);
	ids = !same_ids(own, &wanted) || !same_groups(own, &wanted);
	caps = wanted.caps_known && own->caps_known &&
	       (ids || !same_caps(own, &wanted) ||
		securebits != own->securebits);
	if (own->uid[1] != 0 || (!ids && !caps)) {
		plan_securebits(steps, own->securebits, securebits);
		return;
	}
	if (caps) {
		plan_bounding(steps, &wanted, own);
		steps_call(steps, SYS_prctl, PR_SET_KEEPCAPS, 1);
	}
	if (ids)
		plan_ids(steps, &wanted);
	if (caps)
		plan_caps(steps, &wanted, own);
}

/* The file-system ids alone decide: ours stay for all else. */
static void set_fsids(uint32_t uid, uint32_t gid)
{
	(void)setfsgid(gid);
	(void)setfsuid(uid);
}

int credentials_files_as(const struct image *image,
			 const struct credentials *own, bool back)
{
	if (own->uid[1] != 0 || image->uid[3] == 0)
		return 0;
	if (back) {
		set_fsids(own->uid[3], own->gid[3]);
		return setgroups(own->nr_groups, own->groups) < 0 ? -errno : 0;
	}
	if (setgroups(image->nr_groups, image->groups) < 0)
		return -errno;
	set_fsids(image->uid[3], image->gid[3]);
	/* A failed setfsuid() has no error: ask what it is now. */
	return (uint32_t)setfsuid(image->uid[3]) == image->uid[3] ? 0 : -EPERM;
}
