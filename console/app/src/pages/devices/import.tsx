import { Page } from '../../components/page';

export default function ImportPage() {
  return <Page title="Import">…</Page>;
}
