package snapback.host;

import org.apache.flink.runtime.checkpoint.CheckpointProperties;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.checkpoint.SavepointType;
import org.apache.flink.runtime.checkpoint.channel.InputChannelInfo;
import org.apache.flink.runtime.checkpoint.channel.ResultSubpartitionInfo;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.AbstractChannelStateHandle;
import org.apache.flink.runtime.state.AbstractMergedChannelStateHandle;
import org.apache.flink.runtime.state.IncrementalKeyedStateHandle.HandleAndLocalPath;
import org.apache.flink.runtime.state.IncrementalRemoteKeyedStateHandle;
import org.apache.flink.runtime.state.InputChannelStateHandle;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupsSavepointStateHandle;
import org.apache.flink.runtime.state.KeyGroupsStateHandle;
import org.apache.flink.runtime.state.KeyedStateHandle;
import org.apache.flink.runtime.state.MergedInputChannelStateHandle;
import org.apache.flink.runtime.state.OperatorStateHandle;
import org.apache.flink.runtime.state.OperatorStreamStateHandle;
import org.apache.flink.runtime.state.StateObject;
import org.apache.flink.runtime.state.StreamStateHandle;
import org.apache.flink.runtime.state.changelog.ChangelogStateBackendHandle.ChangelogStateBackendHandleImpl;
import org.apache.flink.runtime.state.changelog.ChangelogStateHandleStreamImpl;
import org.apache.flink.runtime.state.changelog.inmemory.InMemoryChangelogStateHandle;
import org.apache.flink.runtime.state.filemerging.EmptyFileMergingOperatorStreamStateHandle;
import org.apache.flink.runtime.state.filemerging.EmptySegmentFileStateHandle;
import org.apache.flink.runtime.state.filemerging.FileMergingOperatorStreamStateHandle;
import org.apache.flink.runtime.state.filemerging.SegmentFileStateHandle;
import org.apache.flink.runtime.state.filesystem.FileStateHandle;
import org.apache.flink.runtime.state.filesystem.RelativeFileStateHandle;
import org.apache.flink.runtime.state.memory.ByteStreamStateHandle;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Turns a CheckpointMetadata into the JSON of testdata/flink-metadata/expected, without `extra`, `class` and `typeClass`. */
final class Reader {
    static CheckpointMetadata metadata(Path file) throws Exception {
        byte[] bytes = Files.readAllBytes(file);
        return Checkpoints.loadCheckpointMetadata(new DataInputStream(new ByteArrayInputStream(bytes)), Host.class.getClassLoader(),
            file.toAbsolutePath().toUri().toString());
    }

    static void load(List<String> files) {
        for (String f : files) {
            try {
                metadata(Path.of(f));
                Json.print(Json.obj("file", f, "ok", true, "error", null));
            } catch (Throwable t) {
                Json.print(Json.obj("file", f, "ok", false, "error", Host.rootCause(t)));
            }
        }
    }

    static void read(List<String> files) throws Exception {
        for (String f : files) {
            Json.print(new Reader().document(f));
        }
    }

    /** A file to which a metadata file refers, by its recorded name. */
    static class Named {
        String kind;
        int references;
        long bytes;
        final TreeMap<Long, Long> segments = new TreeMap<>(); // start -> highest end
    }

    final TreeMap<String, Named> files = new TreeMap<>();
    int operators;
    int subtasks;
    int handles;
    long inlineBytes;

    Map<String, Object> document(String file) throws Exception {
        CheckpointMetadata m = metadata(Path.of(file));
        int version;
        try (InputStream in = Files.newInputStream(Path.of(file))) {
            version = ByteBuffer.wrap(in.readNBytes(8)).getInt(4);
        }
        List<OperatorState> sorted = new ArrayList<>(m.getOperatorStates());
        sorted.sort(Comparator.comparing(o -> o.getOperatorID().toHexString()));
        List<Object> ops = new ArrayList<>();
        for (OperatorState o : sorted) {
            ops.add(operator(o));
        }
        List<Object> names = new ArrayList<>();
        long fileBytes = 0;
        for (Map.Entry<String, Named> e : files.entrySet()) {
            Named n = e.getValue();
            boolean segment = n.kind.equals("segment");
            long bytes = segment ? union(n.segments) : n.bytes;
            Map<String, Object> o = Json.obj("path", e.getKey(), "bytes", bytes, "references", n.references, "kind", n.kind);
            if (segment) {
                o.put("segments", n.segments.size());
                o.put("end", n.segments.values().stream().mapToLong(x -> x).max().orElse(0));
            }
            names.add(o);
            fileBytes += bytes;
        }
        return Json.obj("schema", "expected/1", "path", file, "version", version, "checkpointId", m.getCheckpointId(),
            "properties", properties(m.getCheckpointProperties()), "masterStates", m.getMasterStates().size(),
            "operators", ops, "files", names,
            "totals", Json.obj("operators", operators, "subtasks", subtasks, "handles", handles, "files", files.size(),
                "fileBytes", fileBytes, "inlineBytes", inlineBytes));
    }

    static long union(TreeMap<Long, Long> segments) {
        long sum = 0;
        long covered = 0;
        for (Map.Entry<Long, Long> s : segments.entrySet()) {
            sum += Math.max(0, s.getValue() - Math.max(covered, s.getKey()));
            covered = Math.max(covered, s.getValue());
        }
        return sum;
    }

    static Object properties(CheckpointProperties p) throws Exception {
        if (p == null) {
            return null;
        }
        SavepointType s = p.getCheckpointType() instanceof SavepointType t ? t : null;
        return Json.obj("name", p.getCheckpointType().getName(), "isSavepoint", p.isSavepoint(),
            "format", s == null ? null : s.getFormatType().name(),
            "sharing", p.getCheckpointType().getSharingFilesStrategy().name(),
            "postCheckpointAction", s == null ? null : s.getPostCheckpointAction().name(),
            "isSynchronous", p.isSynchronous(), "forced", hidden(p, "forceCheckpoint"), "unclaimed", p.isUnclaimed(),
            "discardOnSubsumed", hidden(p, "discardOnSubsumed"), "discardOnFinished", hidden(p, "discardOnJobFinished"),
            "discardOnCancelled", hidden(p, "discardOnJobCancelled"), "discardOnFailed", hidden(p, "discardOnJobFailed"),
            "discardOnSuspended", hidden(p, "discardOnJobSuspended"));
    }

    /** Calls a private method without parameters and returns its result. */
    static Object hidden(Object o, String method) throws Exception {
        for (Class<?> c = o.getClass(); c != null; c = c.getSuperclass()) {
            for (Method m : c.getDeclaredMethods()) {
                if (m.getName().equals(method) && m.getParameterCount() == 0) {
                    m.setAccessible(true);
                    return m.invoke(o);
                }
            }
        }
        throw new NoSuchMethodException(method);
    }

    Map<String, Object> operator(OperatorState o) throws Exception {
        operators++;
        List<Object> subs = new ArrayList<>();
        for (Map.Entry<Integer, OperatorSubtaskState> e : new TreeMap<>(o.getSubtaskStates()).entrySet()) {
            subtasks++;
            OperatorSubtaskState s = e.getValue();
            subs.add(Json.obj("index", e.getKey(), "finished", s.isFinished(),
                "managedKeyed", all(s.getManagedKeyedState()), "rawKeyed", all(s.getRawKeyedState()),
                "managedOperator", all(s.getManagedOperatorState()), "rawOperator", all(s.getRawOperatorState()),
                "inputChannel", all(s.getInputChannelState()), "resultSubpartition", all(s.getResultSubpartitionState())));
        }
        ByteStreamStateHandle c = o.getCoordinatorState();
        if (c != null) {
            leaf(c);
        }
        return Json.obj("id", o.getOperatorID().toHexString(), "uid", o.getOperatorUid().filter(x -> !x.isEmpty()).orElse(null),
            "name", o.getOperatorName().filter(x -> !x.isEmpty()).orElse(null), "parallelism", o.getParallelism(),
            "maxParallelism", o.getMaxParallelism(), "fullyFinished", o.isFullyFinished(),
            "coordinatorStateBytes", c == null ? null : c.getStateSize(), "subtasks", subs);
    }

    List<Object> all(Collection<? extends StateObject> l) throws Exception {
        List<Object> r = new ArrayList<>();
        for (StateObject s : l) {
            r.add(handle(s));
        }
        return r;
    }

    static List<Integer> range(KeyGroupRange r) {
        return List.of(r.getStartKeyGroup(), r.getEndKeyGroup());
    }

    Map<String, Object> handle(StateObject h) throws Exception {
        Map<String, Object> o = Json.obj("type", null, "bytes", h.getStateSize());
        if (h instanceof KeyedStateHandle k && !(h instanceof InMemoryChangelogStateHandle)) {
            o.put("checkpointedBytes", k.getCheckpointedSize());
            o.put("keyGroups", range((KeyGroupRange) k.getKeyGroupRange()));
            o.put("stateHandleId", h instanceof KeyGroupsSavepointStateHandle ? null : k.getStateHandleId().getKeyString());
        }
        if (h instanceof KeyGroupsStateHandle k) {
            o.put("type", h instanceof KeyGroupsSavepointStateHandle ? "keyGroupsSavepoint" : "keyGroups");
            stream(o, k.getDelegateStateHandle());
        } else if (h instanceof IncrementalRemoteKeyedStateHandle i) {
            o.put("type", "incremental");
            o.put("checkpointId", i.getCheckpointId());
            o.put("backendId", i.getBackendIdentifier());
            o.put("meta", i.getMetaDataStateHandle() == null ? null : leaf(i.getMetaDataStateHandle()));
            o.put("shared", local(i.getSharedState()));
            o.put("private", local(i.getPrivateState()));
        } else if (h instanceof ChangelogStateBackendHandleImpl c) {
            o.put("type", "changelog");
            o.put("checkpointId", c.getCheckpointId());
            o.put("materializationId", c.getMaterializationID());
            o.put("materialized", all(c.getMaterializedStateHandles()));
            o.put("nonMaterialized", all(c.getNonMaterializedStateHandles()));
        } else if (h instanceof ChangelogStateHandleStreamImpl c) {
            o.put("type", "changelogFile");
            o.put("storageIdentifier", c.getStorageIdentifier());
            List<Object> streams = new ArrayList<>();
            for (var t : c.getHandlesAndOffsets()) {
                Map<String, Object> s = Json.obj("offset", t.f1);
                s.putAll(leaf(t.f0));
                streams.add(s);
            }
            o.put("streams", streams);
        } else if (h instanceof InMemoryChangelogStateHandle c) {
            handles++;
            inlineBytes += c.getStateSize();
            o.put("type", "changelogByte");
            o.put("from", c.getFrom());
            o.put("to", c.getTo());
            o.put("changes", c.getChanges().size());
        } else if (h instanceof OperatorStreamStateHandle s) {
            o.put("type", h instanceof EmptyFileMergingOperatorStreamStateHandle ? "emptyFileMergingOperator"
                : h instanceof FileMergingOperatorStreamStateHandle ? "fileMergingOperator" : "operatorList");
            if (h instanceof FileMergingOperatorStreamStateHandle f) {
                o.put("taskOwnedDir", f.getTaskOwnedDirHandle().getDirectory());
                o.put("sharedDir", f.getSharedDirHandle().getDirectory());
            }
            List<Object> states = new ArrayList<>();
            for (Map.Entry<String, OperatorStateHandle.StateMetaInfo> e : new TreeMap<>(s.getStateNameToPartitionOffsets()).entrySet()) {
                states.add(Json.obj("name", e.getKey(), "mode", e.getValue().getDistributionMode().name(),
                    "offsets", e.getValue().getOffsets().length));
            }
            o.put("states", states);
            stream(o, s.getDelegateStateHandle());
        } else if (h instanceof AbstractMergedChannelStateHandle<?, ?> m) {
            o.put("type", h instanceof MergedInputChannelStateHandle ? "mergedInputChannel" : "mergedResultSubpartition");
            o.put("subtaskIndex", m.getSubtaskIndex());
            List<Object> channels = new ArrayList<>();
            for (Object c : (Collection<?>) hidden(m, "getUnmergedHandles")) {
                channels.add(channel((AbstractChannelStateHandle<?>) c));
            }
            o.put("channels", channels);
            stream(o, m.getDelegate());
        } else if (h instanceof AbstractChannelStateHandle<?> c) {
            o.put("type", h instanceof InputChannelStateHandle ? "inputChannel" : "resultSubpartition");
            o.put("subtaskIndex", c.getSubtaskIndex());
            o.put("channels", List.of(channel(c)));
            stream(o, c.getDelegate());
        } else {
            throw new IllegalArgumentException("unknown handle " + h.getClass());
        }
        return o;
    }

    static Map<String, Object> channel(AbstractChannelStateHandle<?> c) {
        Map<String, Object> o;
        if (c.getInfo() instanceof InputChannelInfo i) {
            o = Json.obj("gate", i.getGateIdx(), "channel", i.getInputChannelIdx());
        } else {
            ResultSubpartitionInfo r = (ResultSubpartitionInfo) c.getInfo();
            o = Json.obj("partition", r.getPartitionIdx(), "subpartition", r.getSubPartitionIdx());
        }
        o.put("offsets", c.getOffsets().size());
        o.put("bytes", c.getStateSize());
        return o;
    }

    List<Object> local(List<HandleAndLocalPath> l) {
        List<Object> r = new ArrayList<>();
        for (HandleAndLocalPath h : l) {
            Map<String, Object> o = Json.obj("localPath", h.getLocalPath());
            o.putAll(leaf(h.getHandle()));
            r.add(o);
        }
        return r;
    }

    /** Adds the only delegate of a handle, and copies from it whether and where the state is stored. */
    void stream(Map<String, Object> o, StreamStateHandle delegate) {
        Map<String, Object> s = leaf(delegate);
        o.put("inline", s.get("inline"));
        o.put("file", s.get("file"));
        o.put("stream", s);
    }

    Map<String, Object> leaf(StreamStateHandle h) {
        handles++;
        if (h instanceof ByteStreamStateHandle b) {
            inlineBytes += b.getStateSize();
            return Json.obj("type", "byteStream", "bytes", b.getStateSize(), "inline", true, "file", null, "handleName", b.getHandleName());
        } else if (h instanceof RelativeFileStateHandle f) {
            named(f.getRelativePath(), "relativeFile").bytes = f.getStateSize();
            return Json.obj("type", "relativeFile", "bytes", f.getStateSize(), "inline", false, "file", f.getRelativePath());
        } else if (h instanceof FileStateHandle f) {
            named(f.getFilePath().toString(), "file").bytes = f.getStateSize();
            return Json.obj("type", "file", "bytes", f.getStateSize(), "inline", false, "file", f.getFilePath());
        } else if (h instanceof EmptySegmentFileStateHandle) {
            return Json.obj("type", "emptySegment", "bytes", 0, "inline", false, "file", null);
        } else if (h instanceof SegmentFileStateHandle s) {
            named(s.getFilePath().toString(), "segment").segments.merge(s.getStartPos(), s.getStartPos() + s.getStateSize(), Math::max);
            return Json.obj("type", "segment", "bytes", s.getStateSize(), "inline", false, "file", s.getFilePath(),
                "startPos", s.getStartPos(), "scope", s.getScope().name(), "logicalFileId", s.getLogicalFileId().getKeyString());
        }
        throw new IllegalArgumentException("unknown stream handle " + h.getClass());
    }

    Named named(String path, String kind) {
        Named n = files.computeIfAbsent(path, x -> new Named());
        n.kind = kind;
        n.references++;
        return n;
    }
}
