package snapback.workloads;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.Collection;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * A written file that waits for its commit. Both paths are absolute, so they lead to the directory of
 * the job that wrote the file, also if another job commits it.
 */
final class Committable {
    final String pending;
    final String committed;

    Committable(String pending, String committed) {
        this.pending = pending;
        this.committed = committed;
    }

    /** Renames the file. A second call changes nothing. */
    void commit() throws IOException {
        Path to = Paths.get(committed);
        try {
            Files.move(Paths.get(pending), to, StandardCopyOption.ATOMIC_MOVE);
        } catch (NoSuchFileException e) {
            if (!Files.exists(to)) {
                throw new IOException("neither pending nor committed: " + committed, e);
            }
        }
    }

    /** Commits files. */
    static final class FileCommitter implements Committer<Committable> {
        @Override
        public void commit(Collection<CommitRequest<Committable>> requests) throws IOException {
            for (CommitRequest<Committable> request : requests) {
                request.getCommittable().commit();
            }
        }

        @Override
        public void close() {}
    }

    /** Serializes committables as state. */
    static final class Serializer implements SimpleVersionedSerializer<Committable> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(Committable committable) {
            return (committable.pending + "\n" + committable.committed).getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public Committable deserialize(int version, byte[] bytes) throws IOException {
            String[] paths = new String(bytes, StandardCharsets.UTF_8).split("\n");
            if (version != 1 || paths.length != 2) {
                throw new IOException("a committable of version 1 with two paths was expected, not version "
                    + version + " with " + paths.length);
            }
            return new Committable(paths[0], paths[1]);
        }
    }
}
