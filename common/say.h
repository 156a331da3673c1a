/* SPDX-License-Identifier: MIT */
/*
 * say.h - the one line a program says when it ends badly
 *
 * For programs only: libraries return -errno and stay quiet.
 */
#pragma once

/* Set the name that opens each line: usually the last part of argv[0]. */
void say_init(const char *argv0);

/*
 * From now on also (or, without a terminal, only) write to syslog: for who has
 * let go of stderr.
 */
void say_to_syslog(void);

/*
 * "mitosisfs: " and the message, one line on stderr, written in one write.
 *
 * Where stderr is the journal's (JOURNAL_STREAM of systemd.exec(5)) the line
 * begins with its priority, "<3>", and not with the name, which the journal
 * knows.
 */
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As say_error(), for what is no failure. */
void say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The program's name, for usage texts. */
const char *say_name(void);
