// SPDX-License-Identifier: GPL-2.0-only
/*
 * Check a port against pykmm: the points of the OOM killer, in C.
 *
 * The port under test is badness(). Compiled as it stands it is wrong in a way that
 * is easy to get wrong: it multiplies before it divides. With -DFIXED it is right.
 *
 *	cc -o badness badness.c && ./badness "python -m pykmm oracle"
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLDS 200
#define LONG_MIN_POINTS INT64_MIN

struct task {
	int64_t file, anon, shmem, swap;	/* pages */
	int64_t pgtables;			/* bytes */
	int64_t adj;				/* -1000 to 1000 */
};

/* -- the port ------------------------------------------------------------------ */

static int64_t badness(const struct task *t, int64_t totalpages)
{
	int64_t points;

	if (t->adj == -1000)
		return LONG_MIN_POINTS;
	points = t->file + t->anon + t->shmem + t->swap + t->pgtables / 4096;
#ifdef FIXED
	return points + t->adj * (totalpages / 1000);
#else
	return points + t->adj * totalpages / 1000;
#endif
}

/* -- asking pykmm -------------------------------------------------------------- */

static uint64_t seed = 1;

static int64_t upto(int64_t most)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((seed >> 33) % (uint64_t)(most + 1));
}

static void make_up(struct task *t, int64_t *totalpages)
{
	*totalpages = 1 + upto(1 << 20);
	t->file = upto(100000);
	t->anon = upto(100000);
	t->shmem = upto(1000);
	t->swap = upto(50000);
	t->pgtables = 4096 * upto(500);
	t->adj = upto(2000) - 1000;
}

static void ask(FILE *worlds, const struct task *t, int64_t totalpages)
{
	fprintf(worlds,
		"{\"format\": \"pykmm-world/1\", \"mms\": [{\"id\": \"m\", \"file\": %" PRId64
		", \"anon\": %" PRId64 ", \"shmem\": %" PRId64 ", \"swap\": %" PRId64
		", \"pgtables_bytes\": %" PRId64 "}], \"tasks\": [{\"pid\": 1}, "
		"{\"pid\": 2, \"mm\": \"m\", \"oom_score_adj\": %" PRId64 "}], \"calls\": "
		"[{\"fn\": \"oom_badness\", \"pid\": 2, \"totalpages\": %" PRId64 "}]}\n",
		t->file, t->anon, t->shmem, t->swap, t->pgtables, t->adj, totalpages);
}

/* An answer is one line of JSON, and "ret" stands in it once. */
static int64_t answered(const char *line)
{
	const char *ret = strstr(line, "\"ret\":");

	if (!ret) {
		fprintf(stderr, "no answer: %s", line);
		exit(2);
	}
	ret += strlen("\"ret\":");
	while (*ret == ' ')
		ret++;
	return *ret == '"' ? LONG_MIN_POINTS : strtoll(ret, NULL, 10);
}

int main(int argc, char **argv)
{
	static struct task tasks[WORLDS];
	static int64_t total[WORLDS];
	static char line[1 << 16];
	char command[4096], name[] = "worlds.jsonl";
	int i, wrong = 0;
	FILE *worlds, *answers;

	if (argc != 2) {
		fprintf(stderr, "usage: badness ORACLE, as in \"python -m pykmm oracle\"\n");
		return 2;
	}
	worlds = fopen(name, "w");
	for (i = 0; worlds && i < WORLDS; i++) {
		make_up(&tasks[i], &total[i]);
		ask(worlds, &tasks[i], total[i]);
	}
	if (!worlds || fclose(worlds))
		return 2;
	snprintf(command, sizeof(command), "%s < %s", argv[1], name);
	answers = popen(command, "r");
	for (i = 0; answers && i < WORLDS && fgets(line, sizeof(line), answers); i++) {
		int64_t mine = badness(&tasks[i], total[i]), linux_says = answered(line);

		if (mine == linux_says || wrong++)
			continue;
		printf("first difference, world %d: oom_score_adj %" PRId64 " of %" PRId64
		       " pages: the port says %" PRId64 ", Linux %" PRId64 "\n",
		       i, tasks[i].adj, total[i], mine, linux_says);
	}
	if (!answers || pclose(answers) || i < WORLDS)
		return 2;
	remove(name);
	printf("%d of %d worlds agree\n", WORLDS - wrong, WORLDS);
	return wrong != 0;
}
