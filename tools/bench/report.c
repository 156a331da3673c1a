/* SPDX-License-Identifier: MIT */
#include "tools/bench/report.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/cleanup.h"

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
	(void)printf("parent %s, transport %s, memory %s, %u runs\n",
		     options->parent->name, transport(options), options->memory,
		     options->runs);
	report_machine();
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

static void print_json(const struct options *options, enum phase phase,
		       const char *who, const struct stats *stats)
{
	struct stats_summary s = stats_summarize(stats);

	if (!stats->nr)
		return;
	(void)printf(
		"{\"parent\": \"%s\", \"transport\": \"%s\", "
		"\"memory\": \"%s\", \"who\": \"%s\", \"phase\": \"%s\", "
		"\"runs\": %u, \"min_ns\": %lu, \"median_ns\": %lu, "
		"\"max_ns\": %lu}\n",
		options->parent->name, transport(options), options->memory, who,
		phase_fields[phase], stats->nr, s.min, s.median, s.max);
}

void report_phases(const struct options *options, const struct phases *phases)
{
	for (int i = 0; i < PHASE_END; i++) {
		if (options->json) {
			print_json(options, i, "mitosisfs", &phases->ours[i]);
			print_json(options, i, "fork", &phases->fork[i]);
		} else {
			print_row(i, &phases->ours[i], &phases->fork[i]);
		}
	}
}

static void pss_json(const struct options *options, const struct pss *pss,
		     int i)
{
	(void)printf(
		"{\"parent\": \"%s\", \"transport\": \"%s\", "
		"\"memory\": \"%s\", \"children\": %u, "
		"\"image_bytes\": %lu, \"pss_bytes\": %lu, "
		"\"fork_pss_bytes\": %lu}\n",
		options->parent->name, transport(options), options->memory,
		pss->children[i], pss->image_bytes, pss->ours_bytes[i],
		pss->fork_bytes[i]);
}

void report_pss(const struct options *options, const struct pss *pss)
{
	if (!options->json)
		(void)printf(
			"\nPSS of all children, one image is %.1f MiB\n"
			"%8s  %14s  %12s  %10s\n",
			pss->image_bytes / MIB, "children", "mitosisfs, MiB",
			"of one image", "fork, MiB");
	for (int i = 0; i < PSS_COUNTS; i++) {
		if (options->json)
			pss_json(options, pss, i);
		else
			(void)printf("%8u  %14.1f  %12.2f  %10.1f\n",
				     pss->children[i], pss->ours_bytes[i] / MIB,
				     (double)pss->ours_bytes[i] /
					     pss->image_bytes,
				     pss->fork_bytes[i] / MIB);
	}
}
