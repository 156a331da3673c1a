/* SPDX-License-Identifier: MIT */
/*
 * zoo_files.c - open files: positions, flags, shared descriptions, cwd, umask
 *
 * The parent and its child work on the same files afterwards, so what each
 * writes carries a word of its own; but a file without a name is each one's
 * own.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	NR_WORDS = 100000,
	NR_LINES = 50,
	LINE_BYTES = 32,
	NAMELESS_BYTES = 300000,
	NAMELESS_AT = 12345,
};

struct files {
	int input, input_dup, input_again, log, directory, null;
	int nameless, nameless_again, memory;
};

static int open_in_dir(const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", zoo_dir(), name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	zoo_call(fd >= 0, path);
	return fd;
}

/* A file of 32 bit numbers, each its own place. */
static void make_input(void)
{
	int fd = open_in_dir("input", O_WRONLY | O_CREAT | O_TRUNC);

	for (uint32_t i = 0; i < NR_WORDS; i += 1000) {
		uint32_t words[1000];

		for (uint32_t k = 0; k < 1000; k++)
			words[k] = i + k;
		zoo_call(write(fd, words, sizeof(words)) == sizeof(words),
			 "write");
	}
	(void)close(fd);
}

static char nameless_bytes[NAMELESS_BYTES];

static void fill(int fd)
{
	zoo_call(write(fd, nameless_bytes, NAMELESS_BYTES) == NAMELESS_BYTES,
		 "write");
	zoo_call(lseek(fd, NAMELESS_AT, SEEK_SET) == NAMELESS_AT, "lseek");
}

/* As tempfile(3) and memfd_create(2) make them: no path leads there. */
static void open_nameless(struct files *files)
{
	char path[32];

	zoo_fill(nameless_bytes, NAMELESS_BYTES, 7);
	files->nameless = open_in_dir("nameless", O_RDWR | O_CREAT);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", files->nameless);
	files->nameless_again = open(path, O_RDONLY | O_CLOEXEC);
	zoo_call(files->nameless_again >= 0, "open");
	(void)snprintf(path, sizeof(path), "nameless");
	zoo_call(unlinkat(files->directory, path, 0) == 0, "unlink");
	files->memory = memfd_create("zoo", MFD_CLOEXEC);
	zoo_call(files->memory >= 0, "memfd_create");
	fill(files->nameless);
	fill(files->memory);
}

static void check_own(int fd)
{
	static char bytes[NAMELESS_BYTES];
	struct stat st;

	zoo_call(lseek(fd, 0, SEEK_CUR) == NAMELESS_AT, "position");
	zoo_call(fstat(fd, &st) == 0 && st.st_size == NAMELESS_BYTES &&
			 S_ISREG(st.st_mode),
		 "fstat");
	zoo_call(pread(fd, bytes, NAMELESS_BYTES, 0) == NAMELESS_BYTES,
		 "read of a file without a name");
	zoo_filled(bytes, NAMELESS_BYTES, 7, "a file without a name");
	/* It would grow twice if the other process had it, too. */
	zoo_call(lseek(fd, 0, SEEK_END) == NAMELESS_BYTES, "lseek");
	zoo_call(write(fd, "end", 3) == 3, "write");
}

static void check_nameless(const struct files *files)
{
	char end[4] = "";

	check_own(files->nameless);
	check_own(files->memory);
	zoo_call(pread(files->nameless_again, end, 4, NAMELESS_BYTES) == 3,
		 "read of a file without a name, opened twice");
	zoo_check(!strcmp(end, "end"), "what was written is not there");
	zoo_check(lseek(files->nameless_again, 0, SEEK_CUR) == 0,
		  "the two positions are one");
	zoo_check(write(files->nameless_again, "x", 1) == -1 && errno == EBADF,
		  "a file that was opened for reading can be written");
}

static void open_all(struct files *files)
{
	files->input = open_in_dir("input", O_RDONLY);
	files->input_dup = fcntl(files->input, F_DUPFD, 100);
	files->input_again = open_in_dir("input", O_RDONLY);
	files->log = open_in_dir("log", O_RDWR | O_CREAT | O_APPEND);
	files->directory = open(zoo_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	files->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	zoo_call(files->input_dup >= 0 && files->directory >= 0 &&
			 files->null >= 0,
		 "open");
	open_nameless(files);
}

/* The next number at the common position of the two descriptors. */
static void read_next(int fd, uint32_t *next)
{
	uint32_t word;

	if (*next == NR_WORDS) {
		zoo_call(lseek(fd, 0, SEEK_SET) == 0, "lseek");
		*next = 0;
	}
	zoo_call(read(fd, &word, sizeof(word)) == sizeof(word), "read");
	zoo_check(word == *next, "read number %u where %u stands", word, *next);
	++*next;
}

static void check_flags(const struct files *files)
{
	zoo_check(fcntl(files->input, F_GETFD) == FD_CLOEXEC &&
			  fcntl(files->input_dup, F_GETFD) == 0,
		  "close-on-exec changed");
	zoo_check(fcntl(files->log, F_GETFL) & O_APPEND, "O_APPEND is gone");
	zoo_check((fcntl(files->input, F_GETFL) & O_ACCMODE) == O_RDONLY,
		  "the access mode changed");
	zoo_call(lseek(files->input_again, 0, SEEK_CUR) == 12,
		 "position of the file opened twice");
	zoo_call(faccessat(files->directory, "input", R_OK, 0) == 0,
		 "the directory's descriptor");
	zoo_call(write(files->null, "x", 1) == 1, "write to /dev/null");
}

/* Lines of our own, among the other process's, are whole and all there. */
static void append_lines(int fd)
{
	char line[LINE_BYTES + 1], buffer[LINE_BYTES];
	uint64_t ours;
	unsigned found = 0;

	zoo_call(getrandom(&ours, sizeof(ours), 0) == sizeof(ours),
		 "getrandom");
	(void)snprintf(line, sizeof(line), "%016lx              \n", ours);
	memset(line + 16, '.', LINE_BYTES - 17);
	line[LINE_BYTES - 1] = '\n';
	for (int i = 0; i < NR_LINES; i++)
		zoo_call(write(fd, line, LINE_BYTES) == LINE_BYTES, "append");
	zoo_call(lseek(fd, 0, SEEK_SET) == 0, "lseek");
	while (read(fd, buffer, LINE_BYTES) == LINE_BYTES)
		found += !memcmp(buffer, line, LINE_BYTES);
	zoo_check(found == NR_LINES, "%u of %u appended lines are there", found,
		  NR_LINES);
}

static void check_process(void)
{
	char cwd[PATH_MAX];
	mode_t mask = umask(0);

	zoo_check(mask == 0137, "umask is %o", mask);
	zoo_call(getcwd(cwd, sizeof(cwd)), "getcwd");
	zoo_check(!strcmp(cwd, zoo_dir()), "the directory is %s", cwd);
}

int main(int argc, char **argv)
{
	struct files files;
	uint32_t next = 0, words[3];

	zoo_start(argc, argv);
	make_input();
	open_all(&files);
	zoo_call(read(files.input_again, words, sizeof(words)) == sizeof(words),
		 "read");
	(void)umask(0137);
	zoo_call(chdir(zoo_dir()) == 0, "chdir");
	zoo_ready();
	while (zoo_running())
		read_next(next % 2 ? files.input : files.input_dup, &next);

	for (int i = 0; i < 100; i++)
		read_next(i % 2 ? files.input : files.input_dup, &next);
	check_flags(&files);
	append_lines(files.log);
	check_nameless(&files);
	check_process();
	zoo_check(open("/dev/null", O_RDONLY | O_CLOEXEC) == files.memory + 1,
		  "a descriptor is open that this program never opened");
	return zoo_end();
}
