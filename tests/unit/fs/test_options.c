/* SPDX-License-Identifier: MIT */
/* What mount(8), fstab and people may write, and what they must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/options.h"
#include "rdmafetch/tls.h"

#define MAX_ARGS 12

/* Parse a command line of words separated by single spaces. */
static int parse(const char *line, struct options *options)
{
	static char copy[512];
	char *argv[MAX_ARGS + 1] = {NULL}, *save = NULL, *word;
	int argc = 0;

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	for (word = strtok_r(copy, " ", &save); word && argc < MAX_ARGS;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return options_parse(argc, argv, options);
}

static void assert_refused(const char *line, const char *word)
{
	struct options options;

	assert_int_equal(parse(line, &options), -EINVAL);
	if (!strstr(options.why, word))
		fail_msg("'%s': '%s' does not speak of '%s'", line, options.why,
			 word);
	options_done(&options);
}

static void plain_words_are_taken(void **state)
{
	struct options options;

	assert_int_equal(parse("mitosisfs host:/pid/12 /mnt", &options), 0);
	assert_int_equal(options.source.where, PARSE_TCP);
	assert_int_equal(options.source.pid, 12);
	assert_string_equal(options.source.host, "host");
	assert_string_equal(options.mountpoint, "/mnt");
	assert_int_equal(options.port, 7373);
	assert_false(options.foreground);
	options_done(&options);
}

static void numbers_are_taken(void **state)
{
	struct options options;

	assert_int_equal(parse("mitosisfs h:/image/a /mnt -o "
			       "port=1234,timeo=7,retrans=0,lease=60,"
			       "prefetch=seq,prefetch_pages=16,readahead=128,"
			       "threads=3,awake=40,allow_other",
			       &options),
			 0);
	assert_int_equal(options.port, 1234);
	assert_int_equal(options.timeo_ds, 7);
	assert_int_equal(options.retrans, 0);
	assert_int_equal(options.lease_s, 60);
	assert_string_equal(options.modes.policy->name, "seq");
	assert_int_equal(options.modes.prefetch_pages, 16);
	assert_int_equal(options.modes.readahead_kb, 128);
	assert_int_equal(options.threads, 3);
	assert_int_equal(options.awake_ms, 40);
	assert_true(options.allow_other);
	assert_string_equal(options.source.name, "a");
	options_done(&options);
}

/* Who waits for no network needs no more threads than there are CPUs. */
static void threads_are_as_many_as_there_is_to_wait_for(void **state)
{
	static const struct {
		const char *line;
		bool waits;
	} cases[] = {
		{"mitosisfs local:/pid/1 /mnt", false},
		{"mitosisfs local:/pid/1 /mnt -o hard", true},
		{"mitosisfs unix:/pid/1 /mnt", true},
		{"mitosisfs host:/pid/1 /mnt", true},
	};
	struct options options;

	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(parse(cases[i].line, &options), 0);
		assert_int_equal(options.threads,
				 channel_threads(cases[i].waits));
		options_done(&options);
	}
	assert_int_equal(channel_threads(true), 8);
}

static void words_of_nfs_and_sshfs_are_taken(void **state)
{
	struct options options;

	assert_int_equal(parse("mitosisfs h:/pid/1 /mnt", &options), 0);
	assert_false(options.hard);
	assert_false(options.auto_unmount);
	assert_int_equal(options.retry_m, 0);
	assert_int_equal(options.uid, OPTIONS_SELF);
	assert_int_equal(options.gid, OPTIONS_SELF);
	options_done(&options);
	assert_int_equal(parse("mitosisfs h:/pid/1 /mnt -o hard,retry=2,"
			       "reconnect,auto_unmount,uid=1000,gid=0",
			       &options),
			 0);
	assert_true(options.hard);
	assert_true(options.auto_unmount);
	assert_int_equal(options.retry_m, 2);
	assert_int_equal(options.uid, 1000);
	assert_int_equal(options.gid, 0);
	options_done(&options);
	assert_int_equal(
		parse("mitosisfs h:/pid/1 /mnt -o hard,soft", &options), 0);
	assert_false(options.hard);
	options_done(&options);
}

static void cache_ttl_is_for_who_may_share(void **state)
{
	static const struct {
		const char *line;
		unsigned ttl_s;
	} rows[] = {
		{"mitosisfs h:/image/a /mnt", 5},
		{"mitosisfs unix:/image/a /mnt", 5},
		{"mitosisfs h:/image/a /mnt -o cache_ttl=0", 0},
		{"mitosisfs h:/image/a /mnt -o cache_ttl=70", 70},
		{"mitosisfs h:/image/a /mnt -o hard", 0},
		{"mitosisfs h:/image/a /mnt -o hard,sharecache", 5},
		{"mitosisfs h:/image/a /mnt -o cache=off", 0},
		{"mitosisfs h:/image/a /mnt -o nosharecache", 0},
		{"mitosisfs h:/image/a /mnt -o auto_unmount", 0},
		{"mitosisfs h:/image/a /mnt -f", 0},
		{"mitosisfs h:/pid/1 /mnt", 0},
		{"mitosisfs h:/pid/1 /mnt -o cache_ttl=0", 0},
		{"mitosisfs local:/pid/1 /mnt", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct options options;

		if (parse(rows[i].line, &options))
			fail_msg("'%s': %s", rows[i].line, options.why);
		if (options.cache_ttl_s != rows[i].ttl_s)
			fail_msg("'%s': %u", rows[i].line, options.cache_ttl_s);
		options_done(&options);
	}
	assert_refused("mitosisfs h:/pid/1 /mnt -o cache_ttl=1", "/pid/");
	assert_refused("mitosisfs local:/pid/1 /mnt -o sharecache", "/pid/");
	assert_refused("mitosisfs h:/image/a /mnt -o cache_ttl=1,cache=off",
		       "cache=off");
	assert_refused("mitosisfs h:/image/a /mnt -o cache_ttl=1,hard",
		       "sharecache");
	assert_refused("mitosisfs h:/image/a /mnt -o cache_ttl=1,nosharecache",
		       "nosharecache");
	assert_refused("mitosisfs h:/image/a /mnt -f -o sharecache",
		       "foreground");
	assert_refused("mitosisfs h:/image/a /mnt -o sharecache,auto_unmount",
		       "auto_unmount");
	assert_refused("mitosisfs h:/image/a /mnt -o cache_ttl=2592001",
		       "2592000");
}

static void sec_is_taken(void **state)
{
	struct options options;
	int r = parse(
		"mitosisfs h:/pid/1 /mnt -o sec=munge,munge_socket=/run/m",
		&options);

	if (r)
		assert_non_null(strstr(options.why, "built without"));
	else
		assert_int_equal(options.sec.kind, WIRE_SEC_MUNGE);
	options_done(&options);
	assert_refused(
		"mitosisfs h:/pid/1 /mnt -o sec=none,munge_socket=/run/m",
		"say sec=munge");
	assert_refused("mitosisfs h:/pid/1 /mnt -o munge_socket=/run/m",
		       "say sec=munge");
	assert_int_equal(parse("mitosisfs h:/pid/1 /mnt", &options), 0);
	assert_int_equal(options.sec.kind, WIRE_SEC_NONE);
	options_done(&options);
	assert_refused("mitosisfs h:/pid/1 /mnt -o sec=sys", "sec=sys");
}

static void psk_is_taken(void **state)
{
	struct options options;

	if (!tls_is_built)
		skip();
	assert_int_equal(parse("mitosisfs h:/pid/1 /mnt -o sec=psk,psk_file=/k,"
			       "psk_user=bob",
			       &options),
			 0);
	assert_int_equal(options.sec.kind, WIRE_SEC_PSK);
	assert_string_equal(options.sec.psk_file, "/k");
	assert_string_equal(options.sec.psk_user, "bob");
	options_done(&options);
	assert_refused("mitosisfs h:/pid/1 /mnt -o sec=psk,proto=rdma",
		       "not inside TLS");
	assert_refused("mitosisfs h:/pid/1 /mnt -o sec=psk,psk_user=a:b",
		       "psk_user");
	assert_refused("mitosisfs h:/pid/1 /mnt -o psk_file=/k", "say sec=psk");
	assert_refused("mitosisfs h:/pid/1 /mnt -o psk_user=bob",
		       "say sec=psk");
}

static void ways_to_the_daemon_are_taken(void **state)
{
	struct options options;

	assert_int_equal(parse("mitosisfs h:/pid/1 /mnt", &options), 0);
	assert_int_equal(options.proto, OPTIONS_AUTO);
	assert_null(options.rdma_dev);
	options_done(&options);
	assert_int_equal(
		parse("mitosisfs h:/pid/1 /mnt -o proto=tcp", &options), 0);
	assert_int_equal(options.proto, OPTIONS_TCP);
	options_done(&options);
	assert_int_equal(parse("mitosisfs h:/pid/1 /mnt -o "
			       "proto=rdma,rdma_dev=mlx5_0",
			       &options),
			 0);
	assert_int_equal(options.proto, OPTIONS_RDMA);
	assert_string_equal(options.rdma_dev, "mlx5_0");
	options_done(&options);
}

static void channels_are_taken(void **state)
{
	struct options options;

	assert_int_equal(parse("mitosisfs h:/pid/1 /mnt", &options), 0);
	assert_int_equal(options.channel, CHANNEL_AUTO);
	options_done(&options);
	assert_int_equal(
		parse("mitosisfs h:/pid/1 /mnt -o fuse=io_uring", &options), 0);
	assert_int_equal(options.channel, CHANNEL_URING);
	options_done(&options);
	assert_int_equal(parse("mitosisfs h:/pid/1 /mnt -o fuse=dev", &options),
			 0);
	assert_int_equal(options.channel, CHANNEL_DEV);
	options_done(&options);
	assert_refused("mitosisfs h:/pid/1 /mnt -o fuse=pipe", "fuse=pipe");
	assert_refused("mitosisfs h:/pid/1 /mnt -o hard,fuse=io_uring", "hard");
	assert_int_equal(parse("mitosisfs local:/pid/1 /mnt", &options), 0);
	assert_false(options_waits(&options));
	options_done(&options);
	assert_int_equal(parse("mitosisfs local:/pid/1 /mnt -o hard", &options),
			 0);
	assert_true(options_waits(&options));
	options_done(&options);
}

/* mount.fuse3 runs the program with exactly this tail. */
static void what_mount_adds_is_dropped(void **state)
{
	struct options options;

	assert_int_equal(
		parse("mitosisfs local:/pid/1 /mnt -o rw,dev,suid", &options),
		0);
	options_done(&options);
	assert_int_equal(parse("mitosisfs local:/pid/1 /mnt -o "
			       "_netdev,nofail,noauto,user,x-systemd.automount,"
			       "ro,nosuid,nodev,noatime,relatime,comment=a,"
			       "user=root,users,defaults",
			       &options),
			 0);
	options_done(&options);
	assert_int_equal(
		parse("mount.mitosisfs local:/pid/1 /mnt -o rw,suid", &options),
		0);
	options_done(&options);
}

/* mount(8) would not have said this by itself. */
static void what_cannot_be_is_refused(void **state)
{
	assert_refused("mitosisfs local:/pid/1 /mnt -o rw", "ro,nosuid,nodev");
	assert_refused("mitosisfs local:/pid/1 /mnt -o suid", "ro,nosuid");
	assert_refused("mitosisfs local:/pid/1 /mnt -o ro,dev", "ro,nosuid");
	assert_refused("mount.mitosisfs local:/pid/1 /mnt -o rw,noexec",
		       "noexec");
	assert_refused("mount.mitosisfs local:/pid/1 /mnt -o rw,remount",
		       "remount");
}

/* mount -s, as autofs does it. */
static void a_sloppy_mount_takes_any_word(void **state)
{
	struct options options;

	assert_int_equal(parse("mount.mitosisfs local:/pid/1 /mnt -s -o "
			       "rw,wsize=8",
			       &options),
			 0);
	options_done(&options);
	assert_refused("mount.mitosisfs local:/pid/1 /mnt -s -o rw,port=x",
		       "port=x");
	assert_refused("mount.mitosisfs local:/pid/1 /mnt -o rw,wsize=8",
		       "wsize=8");
	assert_refused("mitosisfs local:/pid/1 /mnt -s -o wsize=8", "wsize");
}

static void helper_letters_differ(void **state)
{
	struct options options;

	assert_int_equal(
		parse("/sbin/mount.mitosisfs local:/pid/1 /mnt -f", &options),
		0);
	assert_true(options.fake);
	assert_false(options.foreground);
	options_done(&options);
	assert_int_equal(parse("mitosisfs local:/pid/1 /mnt -f", &options), 0);
	assert_true(options.foreground);
	assert_false(options.fake);
	options_done(&options);
}

/* What mount(8) may say to its helpers, of itself or of its user. */
static void the_helpers_line_is_known(void **state)
{
	struct options options;

	assert_int_equal(
		parse("mount.mitosisfs local:/pid/1 /mnt -sfnv -t mitosisfs "
		      "-o rw,wsize=8",
		      &options),
		0);
	assert_true(options.fake && options.sloppy);
	assert_false(options.version);
	assert_string_equal(options.mountpoint, "/mnt");
	options_done(&options);
	assert_int_equal(
		parse("mount.fuse.mitosisfs -fv -tfuse.mitosisfs -oro -- "
		      "local:/pid/1 /mnt",
		      &options),
		0);
	assert_true(options.fake);
	assert_false(options.sloppy);
	options_done(&options);
	assert_refused("mount.mitosisfs local:/pid/1 /mnt -N /proc/1/ns/mnt",
		       "nsenter");
	assert_refused("mount.mitosisfs local:/pid/1 /mnt -t", "-t wants");
	assert_refused("mount.mitosisfs local:/pid/1 /mnt -fx", "-fx");
	assert_refused("mitosisfs local:/pid/1 /mnt -tx", "-tx");
}

/* A line that says how to reach a daemon is not meant for an image of here. */
static void local_has_no_daemon(void **state)
{
	static const char *const words[] = {
		"socket=/x",   "proto=tcp",    "rdma_dev=rxe0",
		"sec=munge",   "sec=psk",      "sec=nonsense",
		"psk_file=/k", "psk_user=bob", "munge_socket=/m",
	};
	struct options options;
	char line[128];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		(void)snprintf(line, sizeof(line),
			       "mitosisfs local:/pid/1 /mnt -o %s", words[i]);
		assert_refused(line, "local: has none");
	}
	assert_int_equal(parse("mitosisfs local:/pid/1 /mnt -o port=7,lease=9,"
			       "retry=0,sec=none,proto=auto",
			       &options),
			 0);
	options_done(&options);
	assert_int_equal(
		parse("mitosisfs unix:/pid/1 /mnt -o socket=/x", &options), 0);
	options_done(&options);
}

static void what_is_missing_is_asked_for(void **state)
{
	assert_refused("mitosisfs h:/pid/1 /mnt -o port", "port=N");
	assert_refused("mitosisfs h:/pid/1 /mnt -o ro,lease", "lease=N");
	assert_refused("mitosisfs h:/pid/1 /mnt -o mode", "mode=VALUE");
	assert_refused("mitosisfs h:/pid/1 /mnt -o mod", "'mod' is not known");
	assert_refused("mitosisfs unix:/pid/1 /mnt -o socket=", "socket=");
	assert_refused("mitosisfs h:/pid/1 /mnt -o rdma_dev=", "rdma_dev=");
	assert_refused("mitosisfs h:/pid/1 /mnt -o stash=", "stash=");
	assert_refused("mitosisfs h:/pid/1 /mnt -o sec=psk,psk_file=",
		       "psk_file=");
}

static void wrong_words_are_named(void **state)
{
	assert_refused("mitosisfs", "source");
	assert_refused("mitosisfs --frob", "--frob");
	assert_refused("mitosisfs h:/pid/1 /mnt -o first,second", "first");
	assert_refused("mount.mitosisfs h:/pid/1 /mnt -o user_id=0,remount",
		       "remount");
	assert_refused("mitosisfs local:/pid/1", "mount point");
	assert_refused("mitosisfs local:/pid/1 /mnt more", "more");
	assert_refused("mitosisfs nonsense /mnt", "nonsense");
	assert_refused("mitosisfs local:/pid/0 /mnt", "local:/pid/0");
	assert_refused("mitosisfs local:/image/a /mnt", "local:/image/a");
	assert_refused("mitosisfs local:/pid/1 /mnt -o frob", "frob");
	assert_refused("mitosisfs local:/pid/1 /mnt -o remount", "remount");
	assert_refused("mitosisfs local:/pid/1 /mnt -o noexec", "noexec");
	assert_refused("mitosisfs local:/pid/1 /mnt -o prefetch=x", "prefetch");
	assert_refused("mitosisfs h:/pid/1 /mnt -o proto=udp", "udp");
	assert_refused("mitosisfs local:/pid/1 /mnt -o proto=rdma", "HOST");
	assert_refused("mitosisfs unix:/pid/1 /mnt -o proto=rdma", "HOST");
	assert_refused(
		"mitosisfs h:/pid/1 /mnt -o rdma_dev="
		"0123456789012345678901234567890123456789"
		"0123456789012345678901234",
		"rdma_dev");
	assert_refused("mitosisfs local:/pid/1 /mnt -o port=0", "port");
	assert_refused("mitosisfs local:/pid/1 /mnt -o port=65536", "port");
	assert_refused("mitosisfs local:/pid/1 /mnt -o timeo=0", "timeo");
	assert_refused("mitosisfs local:/pid/1 /mnt -o threads=65", "threads");
	assert_refused("mitosisfs local:/pid/1 /mnt -o awake=60001", "awake");
	assert_refused("mitosisfs local:/pid/1 /mnt --frob", "--frob");
	assert_refused("mitosisfs local:/pid/1 /mnt -o", "-o wants");
	assert_refused("mitosisfs ::1:/pid/1 /mnt", "brackets: [::1]:/pid/1");
	assert_refused("mitosisfs fe80::1:/image/x /mnt", "[fe80::1]:/image/x");
	assert_refused("mitosisfs ab:cd:/pid/1 /mnt", "is not HOST:/pid/N");
	assert_refused("mitosisfs local:/pid/1 /mnt -o timeo=5x", "timeo=5x");
	assert_refused("mitosisfs local:/pid/1 /mnt -o timeo", "timeo");
	assert_refused("mitosisfs local:/pid/1 /mnt -o timeo=", "timeo=");
	assert_refused("mitosisfs local:/pid/1 /mnt -o retry=10001", "retry");
	assert_refused("mitosisfs local:/pid/1 /mnt -o uid=-1", "uid=-1");
	assert_refused("mitosisfs local:/pid/1 /mnt -o uid=4294967295", "uid");
	assert_refused("mitosisfs local:/pid/1 /mnt -o harder", "harder");
	assert_refused("mitosisfs local:/pid/1 /mnt -o x", "'x'");
}

static void help_needs_nothing_else(void **state)
{
	struct options options;

	assert_int_equal(parse("mitosisfs --help", &options), 0);
	assert_true(options.help);
	options_done(&options);
	assert_int_equal(parse("mitosisfs -V", &options), 0);
	assert_true(options.version);
	options_done(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_words_are_taken),
		cmocka_unit_test(numbers_are_taken),
		cmocka_unit_test(threads_are_as_many_as_there_is_to_wait_for),
		cmocka_unit_test(words_of_nfs_and_sshfs_are_taken),
		cmocka_unit_test(cache_ttl_is_for_who_may_share),
		cmocka_unit_test(sec_is_taken),
		cmocka_unit_test(psk_is_taken),
		cmocka_unit_test(ways_to_the_daemon_are_taken),
		cmocka_unit_test(channels_are_taken),
		cmocka_unit_test(what_mount_adds_is_dropped),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(a_sloppy_mount_takes_any_word),
		cmocka_unit_test(helper_letters_differ),
		cmocka_unit_test(the_helpers_line_is_known),
		cmocka_unit_test(local_has_no_daemon),
		cmocka_unit_test(what_is_missing_is_asked_for),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(help_needs_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
