/* SPDX-License-Identifier: MIT */
#include "parent/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "parent/dents.h"
#include "parent/fdbytes.h"
#include "parent/fdlook.h"
#include "parent/fdpipe.h"
#include "parent/fdwatch.h"

struct row {
	struct image_fd image;
	struct fdinfo info;
	uint64_t looked_ns; /* a moment before info was true */
	bool settled;
	bool is_as_before; /* the same file at the look before */
	struct fdpipe pipe;
	int nameless; /* fdbytes_open() */
};

struct fds {
	struct fdlook look;
	struct row *rows; /* by descriptor */
	uint32_t nr;
	int32_t *numbers; /* dents_list()'s */
	uint32_t cap_numbers;
	struct fdinfo_watches watches;
	struct fdinfo_watches before; /* those of the scan */
	uint32_t nr_before;	      /* and its rows */
	uint32_t left_bytes;  /* that may still be read inside the pause */
	uint32_t nr_nameless; /* files that are open for it */
};

static const struct row empty_row = {.pipe.reader = -1, .nameless = -1};

static void free_row(struct row *row)
{
	free(row->image.path);
	free(row->image.data);
	free(row->image.options);
	fdpipe_close(&row->pipe);
	cleanup_close(&row->nameless);
	*row = empty_row;
}

static void free_rows(struct row *rows, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		free_row(&rows[i]);
	free(rows);
}

void fds_free(struct fds *fds)
{
	if (!fds)
		return;
	free_rows(fds->rows, fds->nr);
	free(fds->numbers);
	free(fds->watches.items);
	free(fds->before.items);
	fdlook_close(&fds->look);
	free(fds);
}

static void cleanup_fds(struct fds **fds)
{
	fds_free(*fds);
}

/*
 * One and the same file as before?  All anonymous inodes share one number, so
 * the lines that a kind has must agree too, and the unsupported are asked anew.
 */
static bool is_same(const struct row *row, const struct fdinfo *info)
{
	const uint32_t settable = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME |
				  O_NONBLOCK | O_CLOEXEC;

	return row->info.ino == info->ino && row->info.mnt_id == info->mnt_id &&
	       !((row->info.flags ^ info->flags) & ~settable) &&
	       row->info.has == info->has &&
	       row->info.eventfd_id == info->eventfd_id &&
	       row->image.kind != IMAGE_FD_UNSUPPORTED;
}

/* What /proc/PID/fdinfo said, into the image's words. */
static void take_info(struct row *row, const struct fdinfo *info)
{
	struct image_fd *image = &row->image;

	row->info = *info;
	image->open_flags = info->flags & ~(uint32_t)O_CLOEXEC;
	image->cloexec = info->flags & O_CLOEXEC;
	image->pos_bytes = info->pos_bytes;
	image->clockid = info->clockid;
	image->value_ns = info->value_ns;
	image->interval_ns = info->interval_ns;
	if (info->has & ~(unsigned)FDINFO_EPOLL)
		image->value = info->value;
	if (info->has & FDINFO_EVENTFD)
		image->type = info->semaphore;
}

static int identify(struct fds *fds, struct row *row, struct refusal *why)
{
	int rc = fdlook_identify(&fds->look, &row->image, &row->settled, why);

	if (rc || fds->look.hurries || fds->nr_nameless == FDBYTES_FILES_MAX)
		return rc;
	row->nameless = fdbytes_open(&fds->look, &row->image);
	fds->nr_nameless += row->nameless >= 0;
	return 0;
}

/* Bring a row of an earlier look up to date.  -ENOENT: it is another file. */
static int refresh_row(struct fds *fds, struct row *row,
		       const struct fdinfo *info, struct refusal *why)
{
	if (!is_same(row, info))
		return -ENOENT;
	take_info(row, info);
	if (!row->settled)
		return identify(fds, row, why);
	if (S_ISREG(row->image.mode))
		return fdlook_stat(&fds->look, &row->image);
	return 0;
}

/*
 * The target runs and may have put another file behind the number between our
 * two questions: then say that it is closed, and the pause will ask again.
 */
static int confirm_row(struct fds *fds, const struct row *row)
{
	const uint32_t nr_watches = fds->watches.nr;
	struct fdinfo info;
	int rc = fdlook_info(&fds->look, row->image.fd, &info, &fds->watches);

	fds->watches.nr = nr_watches; /* they were told before */
	if (rc || is_same(row, &info))
		return rc;
	return row->image.kind == IMAGE_FD_UNSUPPORTED ? 0 : -ENOENT;
}

static int look_info(struct fds *fds, int32_t fd, const struct row *old,
		     struct fdinfo *ret_info)
{
	int rc = fdlook_info(&fds->look, fd, ret_info, &fds->watches);

	if (rc || !fds->look.hurries || !old || !is_same(old, ret_info) ||
	    !fdinfo_may_tick(&old->info, ret_info,
			     io_monotonic_ns() - old->looked_ns) ||
	    !fdlook_wait_tick(&fds->look, fd))
		return rc;
	return fdlook_info(&fds->look, fd, ret_info, &fds->watches);
}

/*
 * Make @row of descriptor @fd, from *@old if that is still the same file.
 * Returns 0, -ENOENT when the descriptor is closed, or worse.
 */
static int look_row(struct fds *fds, int32_t fd, struct row *old,
		    struct row *row, struct refusal *why)
{
	const uint64_t looked_ns = io_monotonic_ns();
	struct fdinfo info;
	int rc = look_info(fds, fd, old, &info);

	if (rc)
		return rc;
	if (old && !refresh_row(fds, old, &info, why)) {
		*row = *old;
		*old = empty_row;
		row->is_as_before = true;
		return 0;
	}
	row->image.fd = fd;
	row->looked_ns = looked_ns;
	take_info(row, &info);
	rc = identify(fds, row, why);
	return rc || fds->look.hurries ? rc : confirm_row(fds, row);
}

static int compare_numbers(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return x < y ? -1 : x > y;
}

/* The old row of @fd, or NULL.  *@at moves on: both lists are sorted. */
static struct row *find_old(struct fds *fds, uint32_t *at, int32_t fd)
{
	while (*at < fds->nr && fds->rows[*at].image.fd < fd)
		++*at;
	return *at < fds->nr && fds->rows[*at].image.fd == fd ? &fds->rows[*at]
							      : NULL;
}

static int fill_rows(struct fds *fds, uint32_t nr_numbers, struct row *rows,
		     uint32_t *nr, struct refusal *why)
{
	uint32_t at = 0;
	int rc;

	for (uint32_t i = 0; i < nr_numbers; i++) {
		int32_t fd = fds->numbers[i];

		rows[*nr] = empty_row;
		rc = look_row(fds, fd, find_old(fds, &at, fd), &rows[*nr], why);
		if (rc && rc != -ENOENT) {
			free_row(&rows[*nr]);
			return rc;
		}
		if (rc)
			free_row(&rows[*nr]);
		else
			++*nr;
	}
	return 0;
}

/* List everything, reuse what is known, replace the table. */
static int look_all(struct fds *fds, struct refusal *why)
{
	struct row *rows;
	uint32_t nr_numbers, nr = 0;
	int rc = dents_list(fds->look.fdinfo_dir, IMAGE_FDS_MAX, &fds->numbers,
			    &fds->cap_numbers, &nr_numbers);

	if (rc)
		return rc;
	if (nr_numbers)
		qsort(fds->numbers, nr_numbers, sizeof(*fds->numbers),
		      compare_numbers);
	rows = calloc(nr_numbers + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	fds->watches.nr = 0;
	rc = fill_rows(fds, nr_numbers, rows, &nr, why);
	if (rc) {
		free_rows(rows, nr);
		return rc;
	}
	free_rows(fds->rows, fds->nr);
	fds->rows = rows;
	fds->nr = nr;
	return 0;
}

/* What two descriptors of one open file description must have in common. */
static int compare_cheaply(const struct row *a, const struct row *b)
{
	const uint64_t keys[][2] = {
		{a->info.ino, b->info.ino},
		{a->info.mnt_id, b->info.mnt_id},
		{a->image.open_flags, b->image.open_flags},
		{a->info.has, b->info.has},
		{a->info.pos_bytes, b->info.pos_bytes},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return 0;
}

static int compare_files(const void *a, const void *b, void *look)
{
	const struct row *x = *(struct row *const *)a;
	const struct row *y = *(struct row *const *)b;
	int order = compare_cheaply(x, y);

	if (!order)
		order = fdlook_compare(look, x->image.fd, y->image.fd);
	if (!order)
		order = x->image.fd < y->image.fd ? -1 : 1;
	return order;
}

/* Sorted: descriptors of one description are neighbours; free() it. */
static struct row **sort_files(struct fds *fds)
{
	struct row **files = calloc(fds->nr + 1, sizeof(*files));

	for (uint32_t i = 0; files && i < fds->nr; i++)
		files[i] = &fds->rows[i];
	if (files)
		qsort_r(files, fds->nr, sizeof(*files), compare_files,
			&fds->look);
	return files;
}

static int tee_unread(struct fds *fds, struct row *row)
{
	CLEANUP_CLOSE int copy = fdlook_copy(&fds->look, row->image.fd);

	int rc = copy < 0 ? copy : fdpipe_tee(copy, &row->pipe);

	row->image.value = row->pipe.capacity_bytes;
	return rc;
}

static bool can_read(const struct row *row)
{
	return row->image.kind == IMAGE_FD_PIPE &&
	       (row->image.open_flags & O_ACCMODE) != O_WRONLY &&
	       !(row->image.open_flags & O_PATH);
}

static bool is_one_pipe(const struct row *a, const struct row *b)
{
	return a->info.ino == b->info.ino && a->info.mnt_id == b->info.mnt_id;
}

/* Name the first descriptor of an open file description in the others. */
static void join_row(struct fds *fds, const struct row *last, struct row *row)
{
	row->image.same_as = -1;
	if (!last || compare_cheaply(last, row) ||
	    fdlook_compare(&fds->look, last->image.fd, row->image.fd))
		return;
	row->image.kind = last->image.kind;
	row->image.same_as =
		last->image.same_as >= 0 ? last->image.same_as : last->image.fd;
}

/*
 * @files is sorted: descriptors of one description are neighbours, and so are
 * those of one pipe, which is read once.  A pipe whose bytes do not fit cannot
 * be carried.
 */
static void join_files(struct fds *fds, struct row **files)
{
	const struct row *pipe = NULL;

	for (uint32_t i = 0; i < fds->nr; i++) {
		struct row *row = files[i];

		join_row(fds, i ? files[i - 1] : NULL, row);
		if (!can_read(row) || (pipe && is_one_pipe(pipe, row)))
			continue;
		pipe = row;
		if (tee_unread(fds, row))
			row->image.kind = IMAGE_FD_UNSUPPORTED;
	}
}

static int compare_inode(const void *key, const void *file)
{
	const uint64_t inode = *(const uint64_t *)key;
	const struct row *row = *(struct row *const *)file;

	return inode < row->info.ino ? -1 : inode > row->info.ino;
}

/* Is there a socket of this number among @files, which is sorted by inode? */
static bool has_socket(const struct fds *fds, struct row **files,
		       uint64_t inode)
{
	struct row **found =
		bsearch(&inode, files, fds->nr, sizeof(*files), compare_inode);

	return found && (*found)->image.kind == IMAGE_FD_SOCKET;
}

/* Of a pair that has both its ends here, what is on its way belongs to it. */
static int peek_unread(struct fds *fds, struct row **files, struct row *row)
{
	int rc = row->image.same_as < 0 &&
				 has_socket(fds, files, row->image.value)
			 ? fdlook_peek(&fds->look, &row->image, fds->left_bytes)
			 : -ENOENT;

	if (rc == 0)
		fds->left_bytes -= row->image.data_bytes;
	return rc;
}

static void join_pairs(struct fds *fds, struct row **files)
{
	for (uint32_t i = 0; i < fds->nr; i++) {
		struct row *row = &fds->rows[i];

		if (row->image.kind == IMAGE_FD_SOCKET && row->image.value &&
		    peek_unread(fds, files, row))
			row->image.value = 0;
	}
}

/* Once for all descriptions of a file: whichever comes first has the bytes. */
static bool is_first_of_file(struct row **files, uint32_t i)
{
	const struct row *row = files[i];

	for (uint32_t k = i; k-- && files[k]->info.ino == row->info.ino;)
		if (files[k]->image.dev == row->image.dev &&
		    files[k]->image.data_bytes)
			return false;
	return true;
}

static void keep_nameless(struct fds *fds, struct row **files)
{
	for (uint32_t i = 0; i < fds->nr; i++) {
		struct row *row = files[i];

		if (row->image.kind == IMAGE_FD_MEMFD)
			fdlook_seals(&fds->look, &row->image);
		if (row->nameless >= 0 && is_first_of_file(files, i))
			fds->left_bytes -= fdbytes_read(
				row->nameless, &row->image, fds->left_bytes);
	}
}

/* Whether all rows are as they were at the scan. */
static bool sort_table(const struct fds *fds, struct row **rows,
		       struct fdwatch_file *files,
		       const struct fdwatch_file **sorted)
{
	bool is_as_before = fds->nr == fds->nr_before;
	uint32_t end = fds->nr;

	for (uint32_t i = fds->nr; i--;) {
		const struct row *row = rows[i];
		struct fdwatch_file *file = &files[row - fds->rows];

		if (end != i + 1 && compare_cheaply(row, rows[i + 1]))
			end = i + 1;
		*file = (struct fdwatch_file){
			.fd = row->image.fd,
			.ino = row->info.ino,
			.group_end = end,
			.is_alone = S_ISSOCK(row->image.mode),
			.is_as_before = row->is_as_before,
		};
		sorted[i] = file;
		is_as_before = is_as_before && row->is_as_before;
	}
	return is_as_before;
}

/* @rows is sort_files()'s. */
static int settle_watches(struct fds *fds, struct row **rows)
{
	CLEANUP_FREE struct fdwatch_file *files =
		calloc(fds->nr + 1, sizeof(*files));
	CLEANUP_FREE const struct fdwatch_file **sorted =
		calloc(fds->nr + 1, sizeof(*sorted));
	struct fdwatch_table table = {files, sorted, fds->nr, false};

	if (!files || !sorted)
		return -ENOMEM;
	table.is_as_before = sort_table(fds, rows, files, sorted);
	fdwatch_settle(&fds->look, &table, &fds->before, &fds->watches);
	return 0;
}

/* Ask now what takes long: inside the pause there is no time for it. */
static int settle_before(struct fds *fds)
{
	CLEANUP_FREE struct row **files = NULL;
	int rc;

	if (!fds->watches.nr)
		return 0;
	files = sort_files(fds);
	if (!files)
		return -ENOMEM;
	rc = settle_watches(fds, files);
	fds->nr_before = fds->nr;
	return rc ? rc : fdwatch_keep(&fds->watches, &fds->before);
}

int fds_scan(pid_t pid, struct fds **ret_fds, struct refusal *why)
{
	CLEANUP(cleanup_fds) struct fds *fds = calloc(1, sizeof(*fds));
	int rc;

	if (!fds)
		return -ENOMEM;
	rc = fdlook_open(pid, &fds->look);
	rc = rc ? rc : look_all(fds, why);
	rc = rc ? rc : settle_before(fds);
	if (rc)
		return rc;
	*ret_fds = steal_ptr(&fds);
	return 0;
}

int fds_capture(struct fds *fds, struct refusal *why)
{
	CLEANUP_FREE struct row **files = NULL;
	int rc;

	fds->look.hurries = true;
	fds->left_bytes = FDBYTES_MAX;
	rc = look_all(fds, why);
	if (rc)
		return rc;
	files = sort_files(fds);
	if (!files)
		return -ENOMEM;
	join_files(fds, files);
	join_pairs(fds, files);
	keep_nameless(fds, files);
	return fds->watches.nr ? settle_watches(fds, files) : 0;
}

static int compare_row(const void *key, const void *row)
{
	return compare_numbers(key, &((const struct row *)row)->image.fd);
}

static const struct row *row_of(const struct fds *fds, int32_t fd)
{
	return fds->nr ? bsearch(&fd, fds->rows, fds->nr, sizeof(*fds->rows),
				 compare_row)
		       : NULL;
}

/* Once for all duplicates of the set. */
static bool is_live(const struct fds *fds, const struct fdinfo_watch *watch)
{
	const struct row *set = row_of(fds, watch->epoll.epfd);

	return watch->epoll.through >= 0 && set && set->image.same_as < 0 &&
	       set->image.kind == IMAGE_FD_EPOLL;
}

static int finish_epolls(const struct fds *fds, struct image *image)
{
	if (!fds->watches.nr)
		return 0;
	image->epolls = calloc(fds->watches.nr, sizeof(*image->epolls));
	if (!image->epolls)
		return -ENOMEM;
	for (uint32_t i = 0; i < fds->watches.nr; i++)
		if (is_live(fds, &fds->watches.items[i]))
			image->epolls[image->nr_epolls++] =
				fds->watches.items[i].epoll;
	return 0;
}

static bool has_packet_writer(const struct fds *fds, const struct row *pipe)
{
	for (uint32_t i = 0; i < fds->nr; i++) {
		const struct row *row = &fds->rows[i];

		if (row->image.kind == IMAGE_FD_PIPE &&
		    is_one_pipe(row, pipe) &&
		    row->image.open_flags & O_DIRECT &&
		    (row->image.open_flags & O_ACCMODE) != O_RDONLY)
			return true;
	}
	return false;
}

/* One that does not fit cannot be carried, nor can its duplicates. */
static int finish_pipe(const struct fds *fds, struct row *row)
{
	int rc = row->pipe.reader < 0
			 ? 0
			 : fdpipe_read(&row->pipe, has_packet_writer(fds, row),
				       &row->image);

	if (rc == -EFBIG)
		row->image.kind = IMAGE_FD_UNSUPPORTED;
	else if (row->image.same_as >= 0)
		row->image.kind = row_of(fds, row->image.same_as)->image.kind;
	return rc == -EFBIG ? 0 : rc;
}

int fds_finish(struct fds *fds, struct image *image)
{
	int rc = finish_epolls(fds, image);

	if (rc || !fds->nr)
		return rc;
	image->fds = calloc(fds->nr, sizeof(*image->fds));
	if (!image->fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < fds->nr; i++) {
		rc = finish_pipe(fds, &fds->rows[i]);
		if (rc)
			return rc;
		image->fds[image->nr_fds++] = fds->rows[i].image;
		fds->rows[i].image.path = NULL;
		fds->rows[i].image.data = NULL;
		fds->rows[i].image.options = NULL;
	}
	return 0;
}
