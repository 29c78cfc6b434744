// The texts of / and /help. The lines can be pasted into a shell once P is set.

/// Texts for people with curl.
enum Help {
    static func cheatSheet(_ settings: NativeAPI.Settings) -> String {
        """
        parley \(settings.version), node \(settings.nodeName) of cluster \(settings.clusterName)

        P=\(settings.advertisedURL)
        curl -X PUT $P/kv/config/db -d host=db1                   # store a value: any bytes, any type
        curl $P/kv/config/db                                      # read it
        curl -i $P/kv/config/db                                   # with its ETag: the revision
        curl "$P/kv/config/db?meta&pretty"                        # as JSON with its revisions
        curl -X PUT -H 'If-None-Match: *' $P/kv/once -d 1         # create, never overwrite
        curl -X PUT -H 'If-Match: "2"' $P/kv/config/db -d host=db2   # only if still at revision 2
        curl -X POST "$P/kv/hits?op=incr&by=1"                    # count
        curl -X DELETE $P/kv/config/db                            # delete
        curl "$P/kv/config/db?history"                            # all versions
        curl "$P/kv/config/db?rev=2"                              # as it was
        curl "$P/kv/config/db?wait=60s&after=2"                   # wait for a change
        curl -N "$P/watch?prefix=config/"                         # every change, as it happens
        curl -N "$P/watch?prefix=config/&snapshot"                # what there is, then every change
        curl "$P/watch?key=config/db&from=2&max=1&wait=30s"       # the next change from a revision on
        curl "$P/kv?prefix=config/"                               # list
        curl "$P/kv?prefix=config/&keys&limit=10"                 # keys only, a page at a time
        curl "$P/kv?delimiter=/"                                  # like a folder
        curl "$P/kv?prefix=config/&count"                         # how many
        curl -H 'Accept: application/x-ndjson' "$P/kv" > backup.ndjson   # everything, one line a key
        curl $P/kv --data-binary @backup.ndjson                   # and back
        curl -X DELETE "$P/kv?prefix=tmp/"                        # delete many at once
        curl $P/txn --json '{"if":[{"key":"a","absent":true}],"then":[{"put":{"key":"a","value":"1"}}]}'   # all or nothing
        curl -X POST "$P/leases?ttl=30s&id=web1" ; curl -X POST $P/leases/web1/renew   # a lease, once more
        curl -X PUT "$P/kv/alive/web1?lease=web1" -d up           # a key that ends with the lease
        curl -sN -X POST "$P/leases?ttl=10s&hold&id=web2"         # a lease for as long as curl runs
        curl -X PUT "$P/kv/code?ttl=60s" -d 1234                  # a key for a minute
        curl $P/queues/mail -d hello ; curl -i -X POST "$P/queues/mail/receive?wait=20s"   # a queue of messages
        curl -X POST "$P/barriers/start/arrive?member=$HOSTNAME&parties=3&wait=60s"        # wait for each other
        T=$(curl -sf -X POST "$P/locks/cron/acquire?owner=me&ttl=60s" | jq .token)   # a lock and its fencing token
        curl -N "$P/locks/cron/watch" ; curl -N "$P/elections/scheduler/watch"   # who has it, as that changes
        curl "$P/locks/cron?pretty" ; curl -X POST "$P/locks/cron/release?token=$T"
        curl "$P/kv/config/db?consistency=stale"                  # from this node's copy, without a quorum
        curl $P/cluster?pretty                                    # the cluster
        curl $P/members ; curl $P/leader                          # who is there, who leads
        curl -X POST "$P/leader/transfer?to=n2"                   # move leadership
        curl "$P/spec/raft?pretty" ; curl -N "$P/transitions?algorithm=raft"   # an algorithm, and its steps
        curl $P/state                                             # this node as a process
        curl $P/messages/n2 -d hello ; curl "$P/inbox/n1?wait=10s&ack=auto"   # messages between nodes
        curl "$P/broadcast?abstraction=atomic" -d hello           # to every node's inbox, in one order
        curl $P/events/deploy -d v42 ; curl -N "$P/events?topic=deploy&wait=1h"   # news that need no leader
        curl "$P/readyz?verbose" ; curl $P/metrics                # probes and metrics

        More: /help, /help/{topic}, /problems, /openapi.json

        """
    }

    static var overview: String {
        "Topics, each at /help/{topic}:\n\n"
            + topics.map { "  \($0.name)\n" }.joined()
            + "\nEvery error names its code; /problems/{code} explains it.\n"
    }

    static let topics: [(name: String, text: String)] = [
        (
            "consistency",
            """
            Reads are linearizable unless asked otherwise: they see every write that was completed before the
            read began, on any node. That needs a majority.

            consistency=stale          this node's copy; answers without a majority
            max_lag=2s                 stale, but 503 too_stale if the copy may be older
            max_lag=2s&or=linearizable stale if fresh enough, else linearizable
            min_revision=45            wait until this node has applied revision 45 (give it the Parley-Revision
                                       of your last answer, and you read your own writes on every node)
            rev=45                     the past: 410 if compacted, 400 if not reached yet
            at=2026-11-22T10:00:00Z    the last revision not after that; Parley-Revision-Time tells when it was

            Parley-Consistency tells what was given, Parley-Lag-Ms how old a stale copy may be. What a node tells
            about itself and the cluster (/state, /members, /leader, ...) is stale unless you ask otherwise.

            """
        ),
        (
            "writes",
            """
            2xx  applied; the body has the revision
            4xx  not applied, and it will not be
            503  not applied; try again
            504  nobody knows yet: it may have been applied or may yet be

            Every problem says so: "applied" is "no" or "unknown", "retry" is "safe", "no" or
            "with_idempotency_key". Conditions (If-Match, If-None-Match: *, if_rev=, if_absent) make a repeat safe.
            timeout=5s is how long the node tries. A node that does not lead passes a write on; redirect=1 makes it
            answer 307 instead, forward=never 421.

            """
        ),
        (
            "waiting",
            """
            wait=30s&after=45 on a key or a list holds the answer back until something there changes after revision
            45. If nothing does, the answer is 304 at the end of the wait. On a key, If-None-Match works like after.
            wait=30s&after=0 waits for a key to be made.

            """
        ),
        (
            "watching",
            """
            curl -N "$P/watch?prefix=config/"        one line a revision: {"revision":44,"time":...,"events":[...]}
            curl -N -H 'Accept: text/event-stream' "$P/watch?prefix="          the same for browsers (EventSource)
            curl -N $P/watch --json '{"watches":[{"id":"x","prefix":"a/"},{"id":"y","key":"b"}]}'    many at once

            key=, prefix=, or start= and end=; only=put|delete, keys (no values), prev (what was there before).
            from=44          begin with that revision, past or to come; without it: what comes now
            snapshot         begin with the present items; a bookmark with snapshot_end closes them
            max=1&wait=30s   end after so many revisions, or that long
            bookmarks=10s    {"bookmark":99}: everything up to 99 was told

            To go on after a break, on any node: from= the revision behind the last line or bookmark, or
            Last-Event-ID. "more":true means that the revision goes on in the next line: only a line without it
            counts. If history was dropped the answer is 410 compacted, or the last line is an error; its
            first_revision is the first that can be had, snapshot begins anew. Who reads slowly slows nobody.

            """
        ),
        (
            "lists",
            """
            prefix=a/ or start=a&end=b; keys (no values), count, delimiter=/, since=45 (modified after),
            sort=key|revision|create|version|value, order=asc|desc, limit=100 (up to 10000).
            If there is more, "next" is the cursor= of the next page; all pages of a cursor show one revision.
            Accept: application/x-ndjson gives one line a key, and without limit all of them.

            """
        ),
        (
            "history",
            """
            at=2026-11-22T10:00:00Z    on a key, its history or a list: as it was then (RFC 3339, Z or an offset)
            GET /kv/a?history          every version and deletion, with its time; to rev= or at= if given
            GET /diff?prefix=a/&from=17&to=42
                                       what was added, changed, deleted; from and to are revisions or instants
            GET /compaction            how much history is kept, and from when on
            PATCH /compaction?max_age=1h&min_revisions=1000&max_revisions=100000&max_bytes=268435456
                                       changes that for the whole cluster; what is not named stays
            POST /compact?keep=1000    drops history now

            """
        ),
        (
            "transactions",
            """
            curl $P/txn --json '{"if":[{"key":"a","value":"10"}],
              "then":[{"put":{"key":"a","value":"5"}},{"incr":{"key":"b","by":5}}],"else":[{"get":{"key":"a"}}]}'

            if      guards, all of which must hold: a key's value, revision, create_revision or version, bare or as
                    {"gt":3} (eq, ne, lt, le, gt, ge); absent or exists; the count of a prefix, or start and end
                    {"lock":"deploy","token":51}: it is held with that token; so are election and semaphore
                    {"key":"a","lease":"web1"}, "" for none; {"lease":"web1","exists":true}
            then    what is done if they do: put, get, delete, incr, txn (nested), and for queues enqueue and ack
            else    what is done otherwise; without it the answer is 412 txn_failed with failed_guards

            A put takes ttl, lease or keep_lease. All guards see the state before. All writes carry one revision and
            change a key once; a get sees what the operations before it have written. ?dry_run changes nothing and
            tells what would be.

            """
        ),
        (
            "leases",
            """
            curl -X POST "$P/leases?ttl=30s&id=web1"              a lease; without id= it is given one
            curl -X PUT "$P/kv/alive/web1?lease=web1" -d up       a key that ends with it
            curl -X POST "$P/leases/web1/renew"                   its time begins again; ttl=1m: another time
            curl "$P/leases/web1?keys" ; curl $P/leases           what is left of it, and its keys; all leases
            curl -X DELETE $P/leases/web1                         end it now, with its keys
            curl -X PUT "$P/kv/code?ttl=60s" -d 1234              a key with a lease of its own

            ttl is from 1s to 24h. The leader measures it, and a lease ends a moment after its time and never
            before; a leader that was restarted may prolong it. All keys of leases that end together are deleted at one
            revision; with on_expire=release they stay instead, under no lease. A write takes a key from its
            lease unless it says keep_lease, lease or ttl.

            curl -sN -X POST "$P/leases?ttl=10s&hold&id=web2"     keeps it while curl runs: a line a renewal
            curl -sN "$P/leases/web1/hold"                        the same for one that there is

            When the client is gone the lease's time runs out; on_disconnect=revoke ends it at once. A stream ends
            with an error line if the lease has ended, or could not be renewed in time.

            """
        ),
        (
            "queues",
            """
            curl $P/queues/mail -d hello                                  enqueue; the first message makes the queue
            curl "$P/queues/mail?priority=9&delay=5s&ttl=1h&dedupe=order-17" -d hello
            curl -i -X POST "$P/queues/mail/receive?wait=20s"             one, raw, with Parley-Receipt; 204: none
            curl -X POST "$P/queues/mail/receive?max=10&visibility=1m"    several, as JSON
            curl -X POST "$P/queues/mail/ack?receipt=$R"                  done; nack gives it back, extend keeps it
            curl $P/queues/mail                                           how many: ready, in_flight, delayed, dead
            curl -X PUT $P/queues/mail --json '{"max_attempts":5,"dead_letter":"mail-dead","order":"priority"}'

            A message belongs to its receiver for its visibility (30s unless said otherwise). What is not acknowledged
            by then comes again, in its old place and with another receipt: every message at least once, in the order
            of the log. The old receipt is 409 receipt_expired. peek looks, DELETE .../messages removes all.

            """
        ),
        (
            "barriers",
            """
            curl -X POST "$P/barriers/start/arrive?member=w1&parties=3&wait=60s"   answered when all three are there
            curl -X PUT "$P/barriers/start?parties=3&ttl=10m&generations=once"     open for ever, once all were
            curl -X POST "$P/barriers/start/leave?member=w1&wait=60s"              answered when all have left
            curl -X POST $P/barriers/start/reset ; curl $P/barriers/start          anew; who is there

            200 released: all have arrived; index is the place in the order of arrival. 202: the wait is over, the
            arrival stays; come again as the same member. 409 barrier_broken: the lease= of one ended, or somebody
            reset or deleted it. A client that goes while it waits takes its arrival back.

            """
        ),
        (
            "tasks",
            """
            curl $P/tasks --json '{"kind":"thumb","payload":{"f":"a.png"}}'       also priority, delay_ms, run_at,
                                      max_attempts, timeout_ms, labels, dedupe, and after: ["t-7"] to come after it
            curl -X POST "$P/tasks/claim?worker=$HOSTNAME&kinds=thumb&wait=30s"   one; max=10: several; 204: none
            curl -X POST "$P/tasks/t-7/heartbeat?token=9"                         within timeout_ms (30s); progress too
            curl -X POST "$P/tasks/t-7/complete?token=9" -d result                fail: later again; release: at once
            curl "$P/tasks/t-7?wait=60s" ; curl "$P/tasks?state=failed"           answered when it is finished
            curl -X PUT "$P/workers/w1?ttl=30s&capacity=4&labels=gpu"             its tasks go back when its lease ends

            A claim has a token; with any other than that of the present claim everything is 409 not_holder, so a task
            is completed once. What fails is tried again after 1s, 2s, 4s ... up to 5m, max_attempts (3) times, and is
            kept as failed then. Finished tasks are kept for an hour, the newest 100,000 of them, 128 MiB.

            """
        ),
        (
            "locks",
            """
            curl -X POST "$P/locks/deploy/acquire?owner=me&ttl=30s&wait=1m"    mode=read: together with other readers
            curl -X POST "$P/locks/deploy/renew?token=51"                      within the ttl, or it is lost
            curl -X POST "$P/locks/deploy/release?token=51"
            curl "$P/locks/deploy/check?token=51"                              412 fence_stale once it is lost
            curl -N "$P/locks/deploy/watch"                                    how it stands, and each change

            Who asks waits in the order of the log, and nobody overtakes: a reader waits behind a writer that waits.
            wait=0, the default, is answered at once with 409. A lock is held under a lease of its own, or under
            lease=ID with everything else that is. token grows with each grant: give it to what the lock protects,
            which refuses any that is older. A lock alone does not stop a holder that slept through its lease.
            Keys and queues look at tokens themselves:
            curl -X PUT "$P/kv/report?fence=deploy:51" -d done                 or the header Parley-Fence: deploy=51

            Elections are the same with a value and priorities, semaphores with permits:
            curl -X POST "$P/elections/scheduler/campaign?candidate=me&value=http://me:80&wait=1h"
            curl $P/elections/scheduler ; curl -N "$P/elections/scheduler/watch"
            curl -X PUT "$P/semaphores/gpu?permits=2" ; curl -X POST "$P/semaphores/gpu/acquire?permits=1&wait=1m"

            """
        ),
        (
            "messages",
            """
            curl $P/messages/n2 -d hello                                   to one node
            curl -X PUT "$P/participants/me?ttl=1h"                        an inbox for your process, at this node
            curl $P/messages/me -d hello                                   to it, from any node
            curl $P/messages --json '{"to":["n2","n3"],"body":"hello"}'    to several; "*" is all others
            curl -L "$P/inbox/me?wait=10s&ack=auto"                        read and take out: other nodes redirect
            curl "$P/inbox/n2"                                             look only
            curl -X POST "$P/inbox/n2/ack?upto=ID"                         take out all up to a message
            curl "$P/messages/n2?delivery=reliable&ordering=fifo" -d one   in the order in which they are sent
            curl $P/messages/ID                                            what became of it: sent, delivered, acked

            delivery=unreliable   sent once: may be lost, come twice or late
            delivery=stubborn     sent until ttl is over or it is taken: comes at least once, and perhaps again
            delivery=reliable     sent until it is acknowledged: comes once while both processes live (the default)
            delivery=logged       kept by a majority of nodes until it is taken, for 24h unless ttl says otherwise
            ordering=fifo         after all that this node has sent there before; for reliable messages
            ordering=total        one order for all recipients; logged messages have that in any case
            wait=ack              answer when it is known what became of the message, or timeout is over
            Messages are kept in memory until they are taken out: only logged ones survive a crash of that node.
            A full inbox refuses them, and GET /messages/ID says so.

            curl -L -X PUT $P/participants/me/state --json '{"load":3}'    what others may read of you
            curl -L $P/participants/me/state

            """
        ),
        (
            "gossip",
            """
            curl $P/gossip        who is there, in this node's opinion: alive, suspect, dead, left; who suspects whom
            curl $P/detector      what it makes of each: healthy, paused, oneway_to, oneway_from, silent, left; phi
            curl $P/clock/skew    how far the nodes' clocks are from each other, and what most of them agree on

            Nodes probe each other by UDP, on the port that they serve HTTP on (SWIM, with Lifeguard). It is an
            opinion of one node, for people: ask several. Leaders are elected, and locks held, without it.

            """
        ),
        (
            "clocks",
            """
            curl $P/clock                                        physical, Lamport, hybrid and vector clock of this node
            curl "$P/clock/now?uncertainty"                      between which times true time is, if synchronized
            curl -X POST $P/clock/tick                           an event of yours: all logical clocks move on
            curl $P/clock/observe --json '{"lamport":900}'       a message came with this time; also hlc and vector
            curl $P/clock/compare --json '{"a":{"vector":{"n1":2}},"b":{"vector":{"n2":1}}}'    concurrent

            Logical clocks are this node's alone, and begin anew when it is restarted. A hybrid time more than 10 s
            ahead of the node's clock is refused with 400 clock_ahead. Any request may carry one, and its answer has
            a later one: curl -i -X PUT -H 'Parley-Clock: 2026-11-22T10:52:33.120Z/0003' $P/kv/a -d 1

            """
        ),
        (
            "faults",
            """
            curl -X PUT "$P/faults/links/n1/*?ttl=60s" --json '{"drop":0.3,"delay_ms":{"min":20,"max":200}}'   what n1 sends
            curl -X POST "$P/faults/partition?ttl=30s" --json '{"groups":[["n1"],["n2","n3"]]}'    two groups, both ways
            curl -X POST "$P/faults/partition?ttl=30s" --json '{"from":["n1"],"to":["n2"]}'        one direction
            curl -X POST "$P/faults/nodes/n1/pause?for=5s"       n1 stands still, its HTTP too
            curl $P/faults                                       which act, and what they did on this node
            curl -X DELETE $P/faults ; curl -X DELETE $P/faults/n1-1    heal all of them, or one

            Only with --enable-faults. Links also take duplicate, reorder, block and seed. Every node is told; applied_on,
            unreachable and refused tell how that went. Each fault heals by itself after ttl, 10m at most. Clients are
            concerned by none but a pause.

            """
        ),
        (
            "tracing",
            """
            traceparent: 00-<trace>-<span>-01    a request as part of your trace (W3C Trace Context); tracestate too
            The answer's traceparent has the node's own span. Writes that go to the leader, and messages, take the
            trace along; log lines of level debug, and those of failed or slow requests, have trace_id and span_id.

            explain adds Server-Timing with what the node measured, in milliseconds. Writes: queue, then beside each
            other fsync (its own disk) and replicate (until committed), then apply; a node that asked the leader
            knows only forward instead of the two. Reads: readindex. total is all of it.

            """
        ),
    ]
}
