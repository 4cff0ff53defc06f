import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { api, must, send, type Schemas } from '../../api/client';

export type ImportReport = Schemas['ImportReport'];

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

// useImport sends a file and follows the import to its end. Leaving the page does not stop it on the server.
export function useImport() {
  const [report, setReport] = useState<ImportReport | null>(null);
  const [running, setRunning] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const gone = useRef(false);
  const client = useQueryClient();
  useEffect(() => { gone.current = false; return () => { gone.current = true; }; }, []);
  const start = async (body: string, options: Record<string, string>) => {
    setRunning(true);
    setError(null);
    setReport(null);
    try {
      let now = (await send<{ import: ImportReport }>('POST', `/api/v1/devices/import?${new URLSearchParams(options)}`, new Blob([body], { type: 'text/csv' }))).import;
      for (let wait = 150; now.state === 'running' && !gone.current; wait = Math.min(wait * 1.5, 1000)) {
        setReport(now);
        await pause(wait);
        now = (await must(api.GET('/api/v1/devices/import/{id}', { params: { path: { id: now.id } } }))).import;
      }
      setReport(now);
      if (!now.dryRun) void client.invalidateQueries({ queryKey: ['devices'] });
    } catch (e) {
      setError(e);
    } finally {
      setRunning(false);
    }
  };
  return { start, report, running, error, reset: () => setReport(null) };
}
