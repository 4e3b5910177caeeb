package snapback.workloads;

import java.io.Closeable;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;

/** The file to which a reader writes one byte for each record of a split. */
final class Progress implements Closeable {
    private final Path fail;
    private final FileOutputStream file; // Unbuffered, so that each byte survives SIGKILL.

    Progress(String dir, long split, long next) throws IOException {
        fail = Paths.get(dir, "fail");
        Path progress = Files.createDirectories(Paths.get(dir, "progress"));
        String name = "split-" + split + "-from-" + next + "-" + Unique.name();
        file = new FileOutputStream(progress.resolve(name).toFile());
    }

    /** Writes the byte for the next record. It fails if the scenario wants the job to fail. */
    void advance() throws IOException {
        file.write('.');
        if (Files.exists(fail)) {
            throw new RuntimeException("asked to fail by " + fail);
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
