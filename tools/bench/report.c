/* SPDX-License-Identifier: MIT */
#include "tools/bench/report.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tools/bench/row.h"

#define MIB (1024.0 * 1024.0)

static const char *transport(const struct options *options)
{
	return options->tcp ? "tcp" : "local";
}

/* The CPU's name as /proc/cpuinfo has it. */
static void cpu_name(char *name, size_t room)
{
	FILE *info CLEANUP_FCLOSE = fopen("/proc/cpuinfo", "re");
	char line[256];

	(void)snprintf(name, room, "unknown CPU");
	while (info && fgets(line, sizeof(line), info))
		if (!strncmp(line, "model name", 10)) {
			line[strcspn(line, "\n")] = '\0';
			(void)snprintf(name, room, "%s", strchr(line, ':') + 2);
			return;
		}
}

void report_machine(void)
{
	char cpu[128];
	struct utsname name;

	cpu_name(cpu, sizeof(cpu));
	(void)uname(&name);
	(void)printf("%ld CPUs (%s), Linux %s\n\n",
		     sysconf(_SC_NPROCESSORS_ONLN), cpu, name.release);
}

void report_head(const struct options *options)
{
	if (options->json)
		return;
	if (*options->parent.name)
		(void)printf("parent %s, ", options->parent.name);
	(void)printf("transport %s", transport(options));
	if (options->delay_us)
		(void)printf(" with %u us each way", options->delay_us);
	(void)printf(", memory %s, %u run%s%s%s\n", options->memory,
		     options->runs ? options->runs : 1,
		     options->runs > 1 ? "s" : "",
		     options->mount ? ", -o " : "",
		     options->mount ? options->mount : "");
	report_machine();
}

static void print_columns(void)
{
	(void)printf("%-28s %26s  %26s  %6s\n", "", "mitosisfs, ms", "fork, ms",
		     "ratio");
	(void)printf("%-28s %8s %8s %8s  %8s %8s %8s  %6s\n", "", "min",
		     "median", "max", "min", "median", "max", "");
}

static void print_summary(const struct stats *stats)
{
	struct stats_summary s = stats_summarize(stats);

	if (stats->nr)
		(void)printf(" %8.3f %8.3f %8.3f ", s.min / 1e6, s.median / 1e6,
			     s.max / 1e6);
	else
		(void)printf(" %8s %8s %8s ", "-", "-", "-");
}

static void print_row(enum phase phase, const struct stats *ours,
		      const struct stats *fork)
{
	(void)printf("%-28s", phase_names[phase]);
	print_summary(ours);
	print_summary(fork);
	if (ours->nr && fork->nr)
		(void)printf(" %6.2f", (double)stats_summarize(ours).median /
					       stats_summarize(fork).median);
	(void)putchar('\n');
}

static void print_json(const struct options *options,
		       const struct phases *phases, enum phase phase)
{
	const struct stats *ours = &phases->ours[phase];
	const struct stats *fork = &phases->fork[phase];
	struct json json;

	if (ours->nr) {
		json = row_begin("fork", options, "mitosisfs");
		json_string(&json, "phase", phase_fields[phase]);
		row_times(&json, ours);
		row_ratio(&json, ours, fork, "fork");
		json_end(&json);
	}
	if (fork->nr) {
		json = row_begin("fork", options, "fork");
		json_string(&json, "phase", phase_fields[phase]);
		row_times(&json, fork);
		json_end(&json);
	}
}

void report_phases(const struct options *options, const struct phases *phases)
{
	if (!options->json)
		print_columns();
	for (int i = 0; i < PHASE_END; i++) {
		if (options->json) {
			print_json(options, phases, i);
		} else {
			print_row(i, &phases->ours[i], &phases->fork[i]);
		}
	}
}

void report_pss(const struct memory *memory)
{
	(void)printf(
		"\nPSS of all children, one image is %.1f MiB\n"
		"%8s  %14s  %12s  %10s\n",
		memory->image_bytes / MIB, "children", "mitosisfs, MiB",
		"of one image", "fork, MiB");
	for (unsigned i = 0; i < memory->nr; i++) {
		const struct memory_row *row = &memory->rows[i];
		uint64_t ours = row->ours[MEMORY_READALL].pss_bytes;
		uint64_t fork = row->fork[MEMORY_READALL].pss_bytes;

		(void)printf("%8u  %14.1f  %12.2f  %10.1f\n", row->children,
			     ours / MIB, (double)ours / memory->image_bytes,
			     fork / MIB);
	}
}
