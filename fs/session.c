/* SPDX-License-Identifier: MIT */
#include "fs/session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "fs/channel.h"
#include "fs/dropper.h"
#include "fs/eager.h"
#include "fs/follow.h"
#include "fs/fusewords.h"
#include "fs/mounts.h"
#include "fs/ops.h"
#include "fs/parking.h"
#include "fs/passthrough.h"
#include "fs/profile.h"
#include "fs/share_session.h"
#include "fs/storing.h"
#include "fs/teller.h"
#include "fs/threadbuf.h"
#include "fs/tree.h"
#include "fs/warm.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/order.h"
#include "rdmafetch/supply.h"

struct session {
	const struct options *options;
	struct status_origin origin;
	struct childnotes notes;
	struct tree *tree;
	struct fetch *fetch;
	struct stashing *stashing; /* NULL while opening: the caller's */
	struct fuse_session *fuse;
	struct ops_context context;
	struct parking *parking; /* while the loop runs */
	struct dropper *dropper; /* NULL: pages are kept */
	struct teller *teller;
	char space_path[PATH_MAX];
	void (*ready)(void *arg);
	void *ready_arg;
	int is_mounted;
	atomic_int is_closing, eager_result;
	struct use use;
	struct share_session sharing;
	struct share *share;	    /* NULL: no other mount finds this server */
	struct prefetch_run *bring; /* by the eager thread */
	unsigned nr_bring, nr_brought; /* brought: asked for before it */
	struct storing storing;
	const struct workset *trace;
	void (*record)(void *arg, const struct workset *set);
	void *record_arg;
};

static void unused(void *arg);

static int open_fetch(struct session *session,
		      const struct session_image *image)
{
	const struct options *options = session->options;
	struct fetch_options fetch = {
		.image = image->image,
		.policy = options->modes.policy,
		.prefetch_pages = options->modes.prefetch_pages,
		.supply_from_ns = options->modes.policy == &prefetch_auto
					  ? SUPPLY_FROM_NS
					  : 0,
		.known = options->modes.policy == &prefetch_auto ? image->trace
								 : NULL,
		.nil_ns = image->nil_ns,
		.timeout_ms = (int)options->timeo_ds * 100,
		.tries = options->retrans + 1,
		.hard = options->hard,
		.reopen = image->reopen,
		.reopen_arg = image->reopen_arg,
		.sink = storing_sink,
		.sink_arg = &session->storing,
		/* A warm file wants all pages; else the kernel has these. */
		.sink_spares_taken = options->modes.kind != MODES_EAGER,
		.stash = image->stashing ? image->stashing->stash : NULL,
	};

	return fetch_open(image->transport, &fetch, &session->fetch);
}

/* An image for which nobody records goes with its mount. */
static void open_stash(const struct session *session,
		       const struct session_image *image)
{
	const struct stashing_image stashed = {
		.image = image->image,
		.desc = image->desc,
		.desc_bytes = image->desc_bytes,
		.is_transient = !image->record,
	};

	if (image->stashing)
		stashing_open(image->stashing, session->options, &stashed);
}

/* Whether no stash and no warm file wants what a read has brought. */
static bool may_lend(const struct options *options,
		     const struct session_image *image)
{
	bool has_stash = image->stashing && image->stashing->stash;

	return !has_stash && options->modes.kind != MODES_EAGER;
}

static int new_fuse(struct session *session)
{
	char opts[FUSEWORDS_BYTES];
	char name[] = "mitosisfs", flag[] = "-o";
	char *argv[] = {name, flag, opts, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	int error = fusewords_make(session->options, opts, sizeof(opts));

	if (error)
		return error;
	session->fuse = fuse_session_new(&args, &ops_table, sizeof(ops_table),
					 &session->context);
	fuse_opt_free_args(&args);
	return session->fuse ? 0 : -EINVAL;
}

/* warm=require, and it cannot be. */
static bool is_too_cold(const struct session *session)
{
	struct warm_state state;

	warm_get_state(session->origin.warm, &state);
	return state.tier == WARM_COLD &&
	       session->options->modes.warm == MODES_WARM_REQUIRE;
}

/*
 * The kernel has its first question ready since mount(2), and takes from the
 * answer how much it may read ahead: at most what the knob below says then, of
 * which it has told us.  So the knob comes after the answer.
 */
static int answer_init(struct session *session)
{
	enum modes_warm warm = session->options->modes.warm;
	bool has = false;
	int r = passthrough_answer_init(session->fuse, warm != MODES_WARM_OFF,
					&has);

	if (r || warm == MODES_WARM_OFF)
		return r;
	(void)warm_begin(session->origin.warm, fuse_session_fd(session->fuse),
			 has);
	return is_too_cold(session) ? -EOPNOTSUPP : 0;
}

/* Cold, for a reason that is known before it is tried. */
static int new_warm(struct session *session, const struct image *image)
{
	const struct modes *modes = &session->options->modes;
	char why[WARM_WHY_MAX + 1];

	(void)snprintf(why, sizeof(why), "%s%s",
		       modes->kind == MODES_EAGER ? "warm=off" : "mode=",
		       modes->kind == MODES_EAGER ? ""
						  : modes_name(modes->kind));
	session->origin.warm = warm_new(image, why);
	return session->origin.warm ? 0 : -ENOMEM;
}

/* Who is told to end from the moment on in which it is mounted unmounts. */
static int mount_fuse(struct session *session)
{
	const struct options *options = session->options;
	uint64_t start_ns = io_monotonic_ns();
	int r = new_fuse(session);

	if (r)
		return r;
	if (fuse_set_signal_handlers(session->fuse))
		return -EIO;
	if (fuse_session_mount(session->fuse, options->mountpoint)) {
		fuse_remove_signal_handlers(session->fuse);
		return -EIO;
	}
	session->origin.attach_ns = io_monotonic_ns() - start_ns;
	session->is_mounted = 1;
	session->sharing.options = options;
	return mounts_device(options->mountpoint, &session->sharing.dev);
}

static void open_share(struct session *session, struct share_seat *seat)
{
	session->sharing.fetch = session->fetch;
	session->sharing.use = &session->use;
	if (!seat)
		return;
	session->share = share_session_open(&session->sharing, seat);
	session->origin.share = session->share;
	session->origin.sharing_why = seat->why;
}

/* What the eager thread shall bring, if there is anything. */
static int choose_runs(struct session *session)
{
	if (session->options->modes.kind == MODES_EAGER)
		return order_all(session->origin.image, &session->bring,
				 &session->nr_bring);
	if (session->trace)
		return order_workset(session->trace, &session->bring,
				     &session->nr_bring);
	return 0;
}

/*
 * A replay need not wait for its mount: what of it the queue has room for is
 * under way meanwhile.
 */
static void ask_first(struct session *session)
{
	if (session->options->modes.kind == MODES_EAGER)
		return;
	while (session->nr_brought < session->nr_bring) {
		const struct prefetch_run *run =
			&session->bring[session->nr_brought];

		if (fetch_ahead(session->fetch, run->first_page, run->nr_pages))
			return;
		session->nr_brought++;
	}
}

static void session_closep(struct session **session)
{
	session_close(*session);
}

int session_open(const struct options *options,
		 const struct session_image *image, struct session **ret)
{
	CLEANUP(session_closep)
	struct session *session = calloc(1, sizeof(*session));
	uint64_t start_ns;
	int r;

	if (!session) {
		image->transport->ops->close(image->transport);
		return -ENOMEM;
	}
	session->options = options;
	session->origin = image->origin;
	session->trace = options->modes.replays ? image->trace : NULL;
	session->record = image->record;
	session->record_arg = image->record_arg;
	session->origin.mode = modes_name(options->modes.kind);
	session->origin.stashing = image->stashing;
	session->origin.cache = modes_cache_name(options->modes.cache);
	session->origin.desc_bytes = image->desc_bytes;
	session->origin.use = &session->use;
	session->origin.notes = &session->notes;
	childnotes_init(&session->notes);
	session->use.since_ns = io_monotonic_ns();
	storing_init(&session->storing);
	open_stash(session, image);
	r = open_fetch(session, image);
	if (r) {
		image->transport->ops->close(image->transport);
		return r;
	}
	r = choose_runs(session);
	if (r)
		return r;
	ask_first(session);
	start_ns = io_monotonic_ns();
	r = tree_new(image->image, image->desc, image->desc_bytes,
		     &session->tree);
	session->origin.tree_ns = io_monotonic_ns() - start_ns;
	if (!r)
		r = new_warm(session, image->image);
	if (r)
		return r;
	session->context = (struct ops_context){
		.tree = session->tree,
		.warm = session->origin.warm,
		.origin = &session->origin,
		.unused = unused,
		.unused_arg = session,
		.use = &session->use,
		.awake = image->awake,
		.uring = options->uring,
		.uid = options->uid == OPTIONS_SELF ? geteuid() : options->uid,
		.gid = options->gid == OPTIONS_SELF ? getegid() : options->gid,
	};
	r = mount_fuse(session);
	if (r)
		return r;
	session->storing.warm = session->origin.warm;
	session->storing.fuse = session->fuse;
	session->storing.ino = tree_space(session->tree)->ino;
	session->context.fetch = session->fetch;
	session->context.may_lend = may_lend(options, image);
	open_share(session, image->seat);
	if (options->modes.cache == MODES_CACHE_OFF) {
		r = dropper_open(session->fuse, &session->dropper);
		if (r)
			return r;
		session->context.dropper = session->dropper;
	}
	session->stashing = image->stashing;
	*ret = steal_ptr(&session);
	return 0;
}

/* ---- eager ---- */

static void tell_ready(struct session *session)
{
	if (session->share)
		share_ready(session->share);
	if (!session->options->foreground)
		teller_hush(session->teller);
	session->ready(session->ready_arg);
}

static int is_ending(void *arg)
{
	struct session *session = arg;

	return eager_must_end(session->origin.eager);
}

/* All pages came, or @result: publish them. */
static void warm_up(struct session *session, int result)
{
	struct warm *warm = session->origin.warm;

	if (result)
		warm_abandon(warm, "not every page could be had");
	else
		(void)warm_publish(warm, is_ending, session);
}

/* In the eager thread: the kernel knows the file of all pages. */
static void file_known(void *arg)
{
	struct session *session = arg;

	storing_begin(&session->storing);
}

/* In the eager thread.  Without all pages there shall be no mount: end it. */
static void eager_done(void *arg, int result)
{
	struct session *session = arg;

	storing_end(&session->storing);
	if (session->options->modes.kind == MODES_EAGER)
		warm_up(session, result);
	teller_over(session->teller);
	if (!result && is_too_cold(session))
		result = -EOPNOTSUPP;
	if (!session->options->modes.waits && result != -EOPNOTSUPP)
		return;
	session->eager_result = result;
	if (result && !session->is_closing)
		(void)kill(getpid(), SIGTERM);
	if (!result)
		tell_ready(session);
}

/* What the teller wants to know. */
static void get_progress(void *arg, struct progress *ret_progress)
{
	struct session *session = arg;
	struct eager_state state = {0};
	struct fetch_stats stats;

	if (session->origin.eager)
		eager_get_state(session->origin.eager, &state);
	fetch_get_stats(session->fetch, &stats);
	*ret_progress = (struct progress){
		.what = session->origin.source,
		.state = session->origin.eager ? status_eager_word(&state)
					       : session->origin.mode,
		.done_bytes = stats.here_pages << PAGE_SHIFT,
		.all_bytes = image_present_pages(session->origin.image, 0,
						 UINT64_MAX >> PAGE_SHIFT)
			     << PAGE_SHIFT,
		.took_ns = state.took_ns,
	};
}

/*
 * The file of all pages was closed by its last user.  Only faults are seen, so
 * where pages were stored ahead the working set would not be whole.
 */
static void record(struct session *session)
{
	const struct modes *modes = &session->options->modes;
	struct workset set = {0};

	if (modes->kind == MODES_EAGER || session->nr_bring ||
	    fetch_get_workset(session->fetch, &set))
		return;
	if (set.nr)
		session->record(session->record_arg, &set);
	workset_done(&set);
}

static void unused(void *arg)
{
	struct session *session = arg;

	if (session->share)
		share_unused(session->share);
	if (session->record)
		record(session);
}

/*
 * Who waits for the mount is told that the far end is lost when a read would
 * be; a mount that is there already waits for its return.
 */
static uint64_t eager_patience_ns(const struct options *options)
{
	uint64_t try_ns = options->timeo_ds * 100000000ull;

	return options->modes.waits && !options->hard
		       ? try_ns * (options->retrans + 1)
		       : 0;
}

/* Before the loop runs: its threads must inherit what the teller blocks. */
static int start_eager(struct session *session)
{
	bool is_eager = session->options->modes.kind == MODES_EAGER;
	struct eager_options options = {
		.fetch = session->fetch,
		.image = session->origin.image,
		.is_all = is_eager,
		.space_path = session->space_path,
		.patience_ns = eager_patience_ns(session->options),
		.known = file_known,
		.done = eager_done,
		.arg = session,
	};
	char root[PATH_MAX - NAME_MAX];
	int r = teller_open(get_progress, session, is_eager, &session->teller);

	if (r || !session->nr_bring)
		return r;
	options.runs = session->bring + session->nr_brought;
	options.nr_runs = session->nr_bring - session->nr_brought;
	(void)snprintf(root, sizeof(root), "%s", session->options->mountpoint);
	if (session->share) /* where it is mounted first may be unmounted */
		share_path(session->share, root);
	(void)snprintf(session->space_path, sizeof(session->space_path),
		       "%s/image/%s", root, tree_space(session->tree)->name);
	return eager_open(&options, &session->origin.eager);
}

/* ---- the loop ---- */

int session_run(struct session *session, void (*ready)(void *arg), void *arg)
{
	int r = parking_open(session->fuse, session->fetch, ops_read_again,
			     &session->parking);

	if (r)
		return r;
	session->context.parking = session->parking;
	/* Over io_uring each question is answered on its CPU by itself. */
	if (!session->options->uring)
		session->context.follow = follow_new();
	/* With io_uring others are answered from here on. */
	r = answer_init(session);
	if (r && fuse_session_exited(session->fuse))
		r = -EINTR;
	if (!r)
		mounts_set_readahead(session->options->mountpoint,
				     session->options->modes.readahead_kb);
	session->ready = ready;
	session->ready_arg = arg;
	if (!r)
		r = start_eager(session);
	if (!r && !session->options->modes.waits)
		tell_ready(session);
	if (!r)
		r = channel_loop(session->fuse, session->options->threads);
	parking_close(session->parking);
	if (r || !session->eager_result || session->eager_result == -ECANCELED)
		return r;
	return session->eager_result == -EOPNOTSUPP ? -EOPNOTSUPP : -EREMOTEIO;
}

void session_why_cold(struct session *session, char why[WARM_WHY_MAX + 1])
{
	struct warm_state state;

	warm_get_state(session->origin.warm, &state);
	memcpy(why, state.why, sizeof(state.why));
}

char *session_profile(struct session *session)
{
	struct fetch_stats stats;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fetch_get_stats(session->fetch, &stats);
	profile_print(out, &session->origin, &stats, session->fetch);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

/* Whether the far end has said so, be it now or before. */
static bool is_image_gone(struct session *session)
{
	const struct status_origin *origin = &session->origin;
	struct fetch_stats stats;

	fetch_get_stats(session->fetch, &stats);
	return stats.is_gone || (origin->alive && !origin->alive(origin->arg));
}

void session_close(struct session *session)
{
	bool is_gone;

	if (!session)
		return;
	session->is_closing = 1;
	storing_stop(&session->storing);
	if (session->is_mounted) {
		fuse_remove_signal_handlers(session->fuse);
		share_session_unmount(&session->sharing, session->fuse,
				      session->share);
	}
	dropper_close(session->dropper);
	eager_close(session->origin.eager);
	teller_close(session->teller);
	is_gone = session->fetch && is_image_gone(session);
	threadbuf_end();
	fetch_close(session->fetch);
	if (session->stashing)
		stashing_close(session->stashing, is_gone);
	if (session->is_mounted) /* nobody writes to its descriptor any more */
		share_session_done(session->fuse);
	if (session->fuse)
		fuse_session_destroy(session->fuse);
	warm_free(session->origin.warm);
	tree_free(session->tree);
	follow_free(session->context.follow);
	free(session->bring);
	free(session);
}
